// Stock llama.cpp behind three questions: logits of given tokens, ids of a text, perplexity and divergence over a text.
// Attention and KV cache run in F32 without flash attention and softmax runs in double, so that what is measured is the file.
import fs from "node:fs";
import {getLlama} from "node-llama-cpp";

export const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const exact = {flashAttention: false, experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"};

/** Runs `use(model, sequence)` on a loaded model with room for `tokens` tokens. */
export async function withModel(modelPath, tokens, use) {
    const model = await llama.loadModel({modelPath});
    const context = await model.createContext({contextSize: tokens + 8, ...exact});
    try {
        return await use(model, context.getSequence());
    } finally {
        await context.dispose();
        await model.dispose();
    }
}

/** Float32Array [tokens, vocabulary]: the logits at every position. */
export async function logits(modelPath, tokens) {
    return await withModel(modelPath, tokens.length, async (model, sequence) => {
        const out = await sequence.controlledEvaluate(tokens.map((t) => [t, {generateNext: {logits: true}}]));
        const vocab = out[0].next.logits.size, all = new Float32Array(tokens.length * vocab);
        out.forEach((position, i) => {
            for (const [token, value] of position.next.logits) all[i * vocab + token] = value;
        });
        return all;
    });
}

/** Ids of a text, without BOS and without reading control tokens out of it. */
export async function tokenize(modelPath, text) {
    const model = await llama.loadModel({modelPath, vocabOnly: true});
    const ids = Array.from(model.tokenize(text));
    await model.dispose();
    return ids;
}

/** Natural log-probabilities of every token at every scored position, by llama-perplexity's protocol. */
async function score(modelPath, textFile, n, chunks) {
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
                const found = out[i].next.logits, logp = new Float64Array(found.size);
                let max = -Infinity, sum = 0;
                for (const [token, v] of found) { logp[token] = v; if (v > max) max = v; }
                for (const v of logp) sum += Math.exp(v - max);
                const z = max + Math.log(sum);
                for (let t = 0; t < logp.length; t++) logp[t] -= z;
                out[i] = null;
                scored.push({target: chunk[i + 1], logp});
            }
        }
        return scored;
    });
}

/** {perplexity, reference_perplexity, kld_mean, same_top, tokens} of a candidate; without a reference only the first and last. */
export async function measure(candidate, reference, textFile, n, chunks) {
    const mine = await score(candidate, textFile, n, chunks);
    const ppl = (s) => Math.exp(-s.reduce((a, {target, logp}) => a + logp[target], 0) / s.length);
    const result = {tokens: mine.length, perplexity: ppl(mine)};
    if (!reference) return result;
    const theirs = await score(reference, textFile, n, chunks);
    const top = (logp) => logp.reduce((best, v, t) => v > logp[best] ? t : best, 0);
    let kld = 0, same = 0;
    theirs.forEach(({logp: p}, i) => {
        const q = mine[i].logp;
        let sum = 0;
        for (let t = 0; t < p.length; t++) sum += Math.exp(p[t]) * (p[t] - q[t]);
        kld += Math.max(sum, 0);
        same += top(p) === top(q);
    });
    return {...result, reference_perplexity: ppl(theirs), kld_mean: kld / mine.length, same_top: same / mine.length};
}
