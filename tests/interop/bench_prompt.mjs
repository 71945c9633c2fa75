// Prompt processing in tokens per second, ours and stock llama.cpp's in turn: node bench_prompt.mjs BUILD [--json] MODEL...
// Both run 2048 random tokens as sequences of 256 through the same F16 file on all processors, without computing logits of more than
// llama.cpp does (the last position of each sequence).
import os from "node:os";
import path from "node:path";
import {execFileSync} from "node:child_process";
import {getLlama} from "node-llama-cpp";

const args = process.argv.slice(2), build = args.shift(), json = args[0] === "--json";
if (json) args.shift();
const threads = os.availableParallelism(), sequences = 8, length = 256, repeats = 3;
const llama = await getLlama({gpu: false, build: "never", logLevel: "error", maxThreads: threads});
const median = (xs) => xs.sort((a, b) => a - b)[xs.length >> 1];
if (!json) console.log("model                       ours tok/s   llama.cpp tok/s   ours / llama.cpp");
for (const modelPath of args) {
    const model = await llama.loadModel({modelPath});
    const context = await model.createContext({contextSize: length, batchSize: length, threads});
    const sequence = context.getSequence();
    let x = 1;
    const vocab = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
    const draw = () => 3 + ((x = (Math.imul(x, 1103515245) + 12345) >>> 0) % (vocab - 3));
    const texts = Array.from({length: sequences}, () => Array.from({length}, draw));
    const theirs = [], ours = [], ratios = [];
    for (let r = 0; r <= repeats; r++) {
        const start = performance.now();
        for (const tokens of texts) {
            await sequence.clearHistory();
            await sequence.evaluateWithoutGeneratingNewTokens(tokens);
        }
        const stock = sequences * length / ((performance.now() - start) / 1000);
        const [mine] = JSON.parse(execFileSync(path.join(build, "bench", "bench_forward"), ["--quick", modelPath]));
        if (r === 0) continue; // a warm-up
        theirs.push(stock);
        ours.push(mine.tokens_per_second);
        ratios.push(mine.tokens_per_second / stock);
    }
    const row = {model: path.basename(modelPath), ours: median(ours), llama_cpp: median(theirs), ratio: median(ratios)};
    console.log(json ? JSON.stringify(row) :
        `${row.model.padEnd(24)} ${row.ours.toFixed(0).padStart(13)} ${row.llama_cpp.toFixed(0).padStart(17)} ${row.ratio.toFixed(2).padStart(17)}x`);
    await context.dispose();
    await model.dispose();
}
await llama.dispose();
