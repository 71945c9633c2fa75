// Logits of stock llama.cpp (node-llama-cpp) at every position: node judge_logits.mjs TOKENS OUT_FOLDER MODEL...
// TOKENS holds int32 ids, OUT_FOLDER/NAME.logits gets float32 [tokens, vocabulary]. Attention and KV cache in F32, so that what is
// compared is the model. One process for all models: starting the backend takes longer than running a small model.
import fs from "node:fs";
import path from "node:path";
import {getLlama} from "node-llama-cpp";

const [tokensFile, folder, ...models] = process.argv.slice(2);
const bytes = fs.readFileSync(tokensFile);
const all = Array.from(new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
for (const modelPath of models) {
    const model = await llama.loadModel({modelPath});
    const context = await model.createContext({
        contextSize: all.length + 8, flashAttention: false,
        experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"
    });
    const out = await context.getSequence().controlledEvaluate(all.map((t) => [t, {generateNext: {logits: true}}]));
    const vocab = out[0].next.logits.size, logits = new Float32Array(all.length * vocab);
    out.forEach((position, i) => {
        for (const [token, value] of position.next.logits) logits[i * vocab + token] = value;
    });
    fs.writeFileSync(path.join(folder, path.basename(modelPath, ".gguf") + ".logits"), Buffer.from(logits.buffer));
    await context.dispose();
    await model.dispose();
}
await llama.dispose();
