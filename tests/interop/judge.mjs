// Stock llama.cpp behind three questions: logits of given tokens, ids of texts, perplexity and divergence over a text.
// Attention and KV cache run in F32 without flash attention and softmax runs in double, so that what is measured is the
// file. One thread: these models are small, and threads that wait for each other lose more than they win.
import fs from "node:fs";
import {getLlama} from "node-llama-cpp";

let quiet = false; // while a file without weights is loaded: node-llama-cpp tries it as a model first and logs that
export const llama = await getLlama({
    gpu: false, build: "never", logLevel: "error",
    logger: (level, message) => { if (!quiet) process.stderr.write(`[llama.cpp] ${message.trimEnd()}\n`); }
});
const exact = {
    flashAttention: false, experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32", threads: 1
};

/** Keys and values in the cache by type; values that are not F32 need flash attention, as people have it by default. */
const cached = ([key, value]) => ({
    ...exact, flashAttention: value !== "F32", experimentalKvCacheKeyType: key, experimentalKvCacheValueType: value
});

/** Runs `use(model, sequence)` on a loaded model with room for `tokens` tokens; `cache` is [key type, value type]. */
async function withModel(modelPath, tokens, use, cache = ["F32", "F32"]) {
    const model = await llama.loadModel({modelPath});
    const context = await model.createContext({contextSize: tokens + 8, ...cached(cache)});
    try {
        return await use(model, context.getSequence());
    } finally {
        await context.dispose();
        await model.dispose();
    }
}

/** Float32Array [tokens, vocabulary]: the logits at every position. */
export async function logits(modelPath, tokens, cache) {
    return await withModel(modelPath, tokens.length, async (model, sequence) => {
        const out = await sequence.controlledEvaluate(tokens.map((t) => [t, {generateNext: {logits: true}}]));
        const vocab = out[0].next.logits.size, all = new Float32Array(tokens.length * vocab);
        out.forEach((position, i) => {
            for (const [token, value] of position.next.logits) all[i * vocab + token] = value;
        });
        return all;
    }, cache);
}

/** Ids of each of some texts, without BOS and without reading control tokens out of them. */
export async function tokenize(modelPath, texts) {
    quiet = true;
    const model = await llama.loadModel({modelPath, vocabOnly: true});
    const ids = texts.map((text) => Array.from(model.tokenize(text)));
    await model.dispose();
    quiet = false;
    return ids;
}

/** Natural log-probabilities of every token at every scored position, by llama-perplexity's protocol. */
async function score(modelPath, textFile, n, chunks, cache) {
    return await withModel(modelPath, n, async (model, sequence) => {
        const bos = model.tokens.shouldPrependBosToken ? model.tokens.bos : null;
        const body = model.tokenize(fs.readFileSync(textFile, "utf8").replace(/\n$/, ""));
        const tokens = bos == null ? body : [bos, ...body], scored = [];
        for (let c = 0; c < chunks && (c + 1) * n <= tokens.length; c++) {
            const chunk = tokens.slice(c * n, (c + 1) * n);
            if (bos != null) chunk[0] = bos;
            await sequence.clearHistory();
            const out = await sequence.controlledEvaluate(chunk.slice(0, n - 1).map((token, i) =>
                i >= n / 2 ? [token, {generateNext: {logits: true}}] : token));
            for (let i = n / 2; i < n - 1; i++) {
                scored.push({target: chunk[i + 1], logp: logSoftmax(out[i].next.logits)});
                out[i] = null;
            }
        }
        return scored;
    }, cache);
}

function logSoftmax(found) {
    const logp = new Float64Array(found.size);
    let max = -Infinity, sum = 0;
    for (const [token, v] of found) { logp[token] = v; if (v > max) max = v; }
    for (const v of logp) sum += Math.exp(v - max);
    const z = max + Math.log(sum);
    for (let t = 0; t < logp.length; t++) logp[t] -= z;
    return logp;
}

const scores = new Map(); // a reference serves several candidates, a candidate one reference: hundreds of MB each
async function scoreOnce(...question) {
    const key = JSON.stringify(question);
    if (!scores.has(key)) scores.set(key, await score(...question));
    return scores.get(key);
}

const mean = (xs) => xs.reduce((a, b) => a + b, 0) / xs.length;
const stderr = (xs) => {
    const m = mean(xs);
    return Math.sqrt(xs.reduce((s, x) => s + (x - m) ** 2, 0) / (xs.length - 1) / xs.length);
};

function divergence({logp: p}, {logp: q}) {
    let sum = 0;
    for (let t = 0; t < p.length; t++) sum += Math.exp(p[t]) * (p[t] - q[t]);
    return Math.max(sum, 0);
}

const nll = (s) => s.map(({target, logp}) => -logp[target]);
const top = ({logp}) => logp.reduce((best, v, t) => v > logp[best] ? t : best, 0);

/** The figures of a candidate (with `cache`) against its reference by the names of `wildtype eval --json`; n is even. */
export async function measure(candidate, reference, textFile, n, chunks, cache) {
    const mine = await score(candidate, textFile, n, chunks, cache);
    const theirs = await scoreOnce(reference, textFile, n, chunks);
    const klds = theirs.map((p, i) => divergence(p, mine[i])), sorted = Float64Array.from(klds).sort();
    const per = n / 2 - 1, chunkMeans = Array.from({length: klds.length / per}, (_, c) =>
        mean(klds.slice(c * per, (c + 1) * per)));
    const at = (share) => {
        const x = share * (sorted.length - 1), i = Math.floor(x);
        return sorted[i] + (x - i) * ((sorted[i + 1] ?? sorted[i]) - sorted[i]);
    };
    const nll_theirs = nll(theirs), chances = (s) => s.map(({target, logp}) => Math.exp(logp[target]));
    const before = chances(theirs), after = chances(mine);
    const perplexity = Math.exp(mean(nll(mine))), reference_perplexity = Math.exp(mean(nll_theirs));
    const ratios = nll(mine).map((x, i) => x - nll_theirs[i]), squares = after.map((x, i) => (x - before[i]) ** 2);
    const same = theirs.map((p, i) => Number(top(p) === top(mine[i]))), rms_dp = Math.sqrt(mean(squares));
    return {
        tokens: mine.length, perplexity, reference_perplexity,
        perplexity_stderr: perplexity * stderr(nll(mine)),
        reference_perplexity_stderr: reference_perplexity * stderr(nll_theirs),
        log_ratio: mean(ratios), log_ratio_stderr: stderr(ratios),
        kld_mean: mean(klds), kld_stderr: stderr(klds), kld_chunk_stderr: stderr(chunkMeans),
        kld_median: at(0.5), kld_p90: at(0.9), kld_p95: at(0.95), kld_p99: at(0.99), kld_p999: at(0.999),
        kld_max: sorted.at(-1), kld_min: sorted[0],
        same_top: mean(same), same_top_stderr: stderr(same),
        rms_dp, rms_dp_stderr: rms_dp > 0 ? stderr(squares) / (2 * rms_dp) : 0,
    };
}
