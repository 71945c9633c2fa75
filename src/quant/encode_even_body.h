/*
 * The kernels of blocks whose weights all count alike, a part of encode_kernels_body.h. There stock tools round once, so
 * the time is that of a few passes over sixteen blocks side by side: what a handful of candidates' codes gain is compared by
 * their sums alone, and the best one refitted is tried exactly against the plain choice.
 */

/*
 * So many candidates at a time, as registers have room for the sums of: with none to spare a few additions wait for one another, which
 * takes less than writing sums to memory and back. Two are tried exactly.
 */
#if defined(__AVX512F__)
enum { EVEN_SCALES = 4, EVEN_RANGES = 2 };
#else
enum { EVEN_SCALES = 2, EVEN_RANGES = 1 };
#endif
enum { EVEN_RUN = 32, EVEN_PAIR = 2 };

/* Weight i of every block, kept within what formats reach; blocks that are not there are zeros. */
INLINE void even_rows(const float *x, size_t blocks, lanes v[EVEN_RUN]) {
    const lanes hi = lanes_set(WT_LARGEST), lo = lanes_set(-WT_LARGEST);
    float padded[WT_LANES * EVEN_RUN];
    if (blocks < WT_LANES) {
        memset(padded, 0, sizeof padded);
        memcpy(padded, x, blocks * EVEN_RUN * sizeof *x);
        x = padded;
    }
    for (size_t i = 0; i < EVEN_RUN; i += WT_LANES) {
        for (size_t b = 0; b < WT_LANES; b++) v[i + b] = within(lanes_load(x + b * EVEN_RUN + i), lo, hi);
        lanes_transpose(v + i);
    }
}

static void even_scales(const float *x, size_t blocks, float lo, float hi, const float *tops, size_t count,
                        wt_even_lanes *l) {
    const lanes zero = lanes_set(0.0f), low = lanes_set(lo), high = lanes_set(hi);
    lanes v[EVEN_RUN], max = zero, most = zero;
    even_rows(x, blocks, v);
    for (size_t i = 0; i < EVEN_RUN; i++) {
        lanes a = lanes_abs(v[i]);
        max = lanes_select(lanes_above(a, most), v[i], max);
        most = lanes_max(a, most);
    }
    const lane_mask something = lanes_above(most, lanes_set(WT_NOTHING));
    const lanes inverse = lanes_select(something, lanes_div(lanes_set(1.0f), lanes_select(something, max, low)), zero);
    lanes best = zero, gain = zero;
    for (size_t c = 0; c < count; c += EVEN_SCALES) {
        lanes by[EVEN_SCALES], qx[EVEN_SCALES], qq[EVEN_SCALES];
        for (size_t k = 0; k < EVEN_SCALES; k++) {
            by[k] = lanes_mul(inverse, lanes_set(tops[c + k]));
            qx[k] = qq[k] = zero;
        }
        for (size_t i = 0; i < EVEN_RUN; i++) {
            for (size_t k = 0; k < EVEN_SCALES; k++) {
                lanes q = lanes_round(lanes_min(lanes_mul(v[i], by[k]), high));
                qx[k] = lanes_add(qx[k], lanes_mul(q, v[i]));
                qq[k] = lanes_add(qq[k], lanes_mul(q, q));
            }
        }
        for (size_t k = 0; k < EVEN_SCALES; k++) {
            lanes fitted = ratio(qx[k], qq[k], zero), here = lanes_mul(fitted, qx[k]);
            lane_mask better = lanes_above(here, gain);
            best = lanes_select(better, fitted, best);
            gain = lanes_select(better, here, gain);
        }
    }
    /* Exactly: the plain choice, and the best of the refitted ones. */
    lanes scale[EVEN_PAIR] = {half_of(lanes_div(max, low)), half_of(best)}, error[EVEN_PAIR] = {zero, zero};
    const lanes inverses[EVEN_PAIR] = {inverse_of(scale[0]), inverse_of(scale[1])};
    for (size_t i = 0; i < EVEN_RUN; i++) {
        for (size_t k = 0; k < EVEN_PAIR; k++) {
            lanes q = lanes_round(within(lanes_mul(v[i], inverses[k]), low, high));
            lanes e = lanes_sub(v[i], lanes_mul(scale[k], q));
            error[k] = lanes_add(error[k], lanes_mul(e, e));
        }
    }
    lane_mask better = lanes_above(error[0], error[1]);
    lanes_store_halves(l->d, lanes_select(better, scale[1], scale[0]));
    lanes_store(l->inverse, lanes_select(better, inverses[1], inverses[0]));
    lanes_store(l->min, zero);
}

static void even_ranges(const float *x, size_t blocks, float hi, const float (*cuts)[2], size_t count,
                        wt_even_lanes *l) {
    const lanes zero = lanes_set(0.0f), high = lanes_set(hi), mean = lanes_set(1.0f / EVEN_RUN);
    lanes v[EVEN_RUN], least, most, sum = zero;
    even_rows(x, blocks, v);
    least = most = v[0];
    for (size_t i = 1; i < EVEN_RUN; i++) {
        least = lanes_min(v[i], least);
        most = lanes_max(v[i], most);
    }
    /* From the least one on: sums of what lies far from 0 would lose their last digits. */
    for (size_t i = 0; i < EVEN_RUN; i++) {
        v[i] = lanes_sub(v[i], least);
        sum = lanes_add(sum, v[i]);
    }
    const lanes range = lanes_sub(most, least);
    const lane_mask wide = lanes_above(range, lanes_set(WT_NOTHING));
    const lanes inverse = lanes_select(wide, lanes_div(high, lanes_select(wide, range, high)), zero);
    lanes best = zero, best_q = zero, gain = zero;
    for (size_t c = 0; c < count; c += EVEN_RANGES) {
        lanes by[EVEN_RANGES], off[EVEN_RANGES], sq[EVEN_RANGES], qx[EVEN_RANGES], qq[EVEN_RANGES];
        for (size_t k = 0; k < EVEN_RANGES; k++) {
            float stretch = hi / (hi - cuts[c + k][0] - cuts[c + k][1]);
            by[k] = lanes_mul(inverse, lanes_set(stretch));
            off[k] = lanes_set(cuts[c + k][0] * stretch);
            sq[k] = qx[k] = qq[k] = zero;
        }
        for (size_t i = 0; i < EVEN_RUN; i++) {
            for (size_t k = 0; k < EVEN_RANGES; k++) {
                lanes q = lanes_round(lanes_sub(lanes_mul(v[i], by[k]), off[k]));
                sq[k] = lanes_add(sq[k], q);
                qx[k] = lanes_add(qx[k], lanes_mul(q, v[i]));
                qq[k] = lanes_add(qq[k], lanes_mul(q, q));
            }
        }
        for (size_t k = 0; k < EVEN_RANGES; k++) {
            lanes mean_q = lanes_mul(sq[k], mean);
            lanes covariance = lanes_sub(qx[k], lanes_mul(mean_q, sum));
            lanes fitted = ratio(covariance, lanes_sub(qq[k], lanes_mul(mean_q, sq[k])), zero);
            lanes here = lanes_mul(fitted, covariance);
            lane_mask better = lanes_above(here, gain);
            best = lanes_select(better, fitted, best);
            best_q = lanes_select(better, mean_q, best_q);
            gain = lanes_select(better, here, gain);
        }
    }
    /* Exactly: the plain choice, and the best of the refitted ones, whose minimum is the one for its rounded scale. */
    lanes scale[EVEN_PAIR] = {half_of(lanes_div(range, high)), half_of(best)}, error[EVEN_PAIR] = {zero, zero};
    lanes lowest[EVEN_PAIR];
    lowest[0] = half_of(least);
    lowest[1] = half_of(lanes_add(least, lanes_sub(lanes_mul(sum, mean), lanes_mul(scale[1], best_q))));
    /* A scale too small for a half leaves the mean alone. */
    lowest[1] = lanes_select(lanes_above(scale[1], zero), lowest[1], half_of(lanes_add(least, lanes_mul(sum, mean))));
    lanes inverses[EVEN_PAIR], from[EVEN_PAIR];
    for (size_t k = 0; k < EVEN_PAIR; k++) {
        inverses[k] = inverse_of(scale[k]);
        from[k] = lanes_sub(lowest[k], least);
    }
    for (size_t i = 0; i < EVEN_RUN; i++) {
        for (size_t k = 0; k < EVEN_PAIR; k++) {
            lanes shifted = lanes_sub(v[i], from[k]);
            lanes q = lanes_round(within(lanes_mul(shifted, inverses[k]), zero, high));
            lanes e = lanes_sub(shifted, lanes_mul(scale[k], q));
            error[k] = lanes_add(error[k], lanes_mul(e, e));
        }
    }
    lane_mask better = lanes_above(error[0], error[1]);
    lanes chosen = lanes_select(better, lowest[1], lowest[0]);
    lanes_store_halves(l->d, lanes_select(better, scale[1], scale[0]));
    lanes_store_halves(l->m, chosen);
    lanes_store(l->inverse, lanes_select(better, inverses[1], inverses[0]));
    lanes_store(l->min, lanes_sub(zero, chosen));
}

INLINE void even_pack_some(const float *x, size_t blocks, float lo, float hi, bool min, bool fifths,
                           const wt_even_lanes *l, unsigned char *to) {
    const lanes low = lanes_set(lo), high = lanes_set(hi), nibble = lanes_set(16.0f);
    for (size_t b = 0; b < blocks; b++, x += EVEN_RUN) {
        const lanes by = lanes_set(l->inverse[b]), shift = lanes_set(l->min[b]);
        lanes q[2];
        uint32_t bits = 0;
        memcpy(to, &l->d[b], 2);
        if (min) memcpy(to + 2, &l->m[b], 2);
        to += min ? 4 : 2;
        for (int half = 0; half < 2; half++) {
            lanes y = lanes_load(x + half * WT_LANES);
            if (min) y = lanes_add(y, shift);
            q[half] = lanes_sub(lanes_round(within(lanes_mul(y, by), low, high)), low);
            if (!fifths) continue;
            lane_mask above = lanes_above(q[half], lanes_set(15.0f));
            bits |= (uint32_t)lanes_bits(above) << (half * WT_LANES);
            q[half] = lanes_select(above, lanes_sub(q[half], nibble), q[half]);
        }
        if (fifths) memcpy(to, &bits, 4);
        to += fifths ? 4 : 0;
        /* As signed bytes. */
        lanes byte = lanes_add(q[0], lanes_mul(q[1], nibble));
        byte = lanes_select(lanes_above(byte, lanes_set(127.0f)), lanes_sub(byte, lanes_set(256.0f)), byte);
        lanes_store_bytes((int8_t *)to, byte);
        to += WT_LANES;
    }
}

static void even_pack(const float *x, size_t blocks, float lo, float hi, const wt_even_lanes *l, void *to) {
    const bool min = lo == 0.0f;
    if (hi - lo > 15.0f) {
        if (min)
            even_pack_some(x, blocks, lo, hi, true, true, l, to);
        else
            even_pack_some(x, blocks, lo, hi, false, true, l, to);
    } else if (min) {
        even_pack_some(x, blocks, lo, hi, true, false, l, to);
    } else {
        even_pack_some(x, blocks, lo, hi, false, false, l, to);
    }
}
