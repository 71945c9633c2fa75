// The interop suite: node suite.mjs logits|wrong|tokens|figures. The environment names the programs and folders (CMakeLists.txt
// beside this file sets it): WILDTYPE, WT_LOGITS, MAKE_MODELS, MAKE_CANDIDATE, SOURCE, SCRATCH. Exits 1 on any difference.
import fs from "node:fs";
import path from "node:path";
import {execFileSync} from "node:child_process";
import {llama, logits, measure, tokenize} from "./judge.mjs";

const {WILDTYPE, WT_LOGITS, MAKE_MODELS, MAKE_CANDIDATE, SOURCE, SCRATCH} = process.env;
const shared = path.join(SOURCE, "..", "shared"), hasShared = fs.existsSync(path.join(shared, "models"));
const seed = process.env.WT_TEST_SEED ?? "7";
const run = (program, args, env = {}) =>
    execFileSync(program, args, {env: {...process.env, ...env}, maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "pipe"]});
let failures = 0;
const report = (ok, line) => { console.log(`${ok ? "  ok  " : "FAILED"} ${line}`); if (!ok) failures++; };
const sci = (x) => x.toExponential(2);

// ---- logits ----

/** Random ids; more of them than the longest window of any model. */
function sampleTokens(vocab, count) {
    let x = 12345 + Number(seed);
    const next = () => (x = (Math.imul(x, 1103515245) + 12345) >>> 0) / 2 ** 32;
    return [1, ...Array.from({length: count - 1}, () => 3 + Math.floor(next() * (vocab - 3)))];
}

function writeTokens(name, tokens) {
    const file = path.join(SCRATCH, `${name}.tokens`);
    fs.writeFileSync(file, Buffer.from(Int32Array.from(tokens).buffer));
    return file;
}

function readFloats(file) {
    const b = fs.readFileSync(file);
    return new Float32Array(b.buffer, b.byteOffset, b.length / 4);
}

/** RMS of the difference over the RMS of the judge's logits. */
function relative(ours, theirs) {
    if (ours.length !== theirs.length) return Infinity;
    let difference = 0, size = 0;
    for (let i = 0; i < ours.length; i++) { difference += (ours[i] - theirs[i]) ** 2; size += theirs[i] ** 2; }
    return Math.sqrt(difference / size);
}

function ourLogits(model, tokensFile, wrong) {
    const out = path.join(SCRATCH, "ours.logits");
    run(WT_LOGITS, [model, tokensFile, out], {WRONG: wrong ?? ""});
    return readFloats(out);
}

/** llama.cpp rounds activations for F16 weights, and takes gemma's GELU from a 16-bit table. */
const tolerance = (name) => /f16|F16|gemma/.test(name) ? 2e-3 : 1e-4;

async function checkLogits() {
    fs.rmSync(SCRATCH, {recursive: true, force: true});
    fs.mkdirSync(SCRATCH, {recursive: true});
    console.log(`seed: WT_TEST_SEED=${seed}`);
    const names = run(MAKE_MODELS, [SCRATCH, seed]).toString().trim().split("\n");
    const models = names.map((name) => ({name, file: path.join(SCRATCH, `${name}.gguf`), vocab: 300, count: 150}));
    models.push({name: "seedling-F16", file: path.join(SOURCE, "data", "seedling.gguf"), vocab: 2048, count: 80});
    for (const [name, vocab] of hasShared ? [["sapling-F16", 4096], ["gnarled-F16", 4096], ["stories260K-F32", 512]] : [])
        models.push({name, file: path.join(shared, "models", `${name}.gguf`), vocab, count: 80});
    if (!hasShared) console.log("skipped: ../shared is absent, so its models are not compared");
    console.log("RMS of the logit difference / RMS logit, ours against stock llama.cpp");
    for (const m of models) {
        const tokens = sampleTokens(m.vocab, m.count), file = writeTokens(m.name, tokens);
        const theirs = await logits(m.file, tokens);
        fs.writeFileSync(path.join(SCRATCH, `${m.name}.logits`), Buffer.from(theirs.buffer));
        const r = relative(ourLogits(m.file, file), theirs);
        report(r <= tolerance(m.name), `${m.name.padEnd(24)} ${sci(r)}  (at most ${sci(tolerance(m.name))})`);
    }
}

// ---- deliberately wrong hyperparameters ----

// Every entry of the table of architectures and every number that the forward pass takes from the metadata: model, wrong value.
const WRONG = [
    ["llama", "rope_kind=1"], ["llama", "rope_base=20000"], ["llama", "attention_scale=0.3"], ["llama", "activation=1"],
    ["llama", "rope_dims=8"], ["llama-small-embedding", "norm_eps=1e-5"], ["llama-small-embedding", "embedding_scale=2"],
    ["llama-small-embedding", "window_all=16"], ["llama-factors", "rope_factors=0"], ["llama-linear", "rope_scale=1"],
    ["llama-yarn", "rope_yarn=0"], ["llama-yarn", "rope_scale=1"], ["llama-yarn", "rope_magnitude=1.2"],
    ["llama-yarn", "rope_original_context=512"], ["llama-biases", "biases=0"], ["llama-wide-heads", "attention_scale=0.25"],
    ["qwen2", "rope_kind=0"], ["qwen2", "rope_base=10000"], ["qwen2", "biases=0"], ["qwen3", "qk_norm=0"],
    ["qwen3", "rope_kind=0"], ["qwen3-small-embedding", "norm_eps=1e-6"],
    ["gemma3", "qk_norm=0"], ["gemma3", "post_norms=0"], ["gemma3", "embedding_scale=1"], ["gemma3", "activation=0"],
    ["gemma3", "rope_kind=0"], ["gemma3", "rope_base=10000"], ["gemma3", "rope_base_window=1000000"],
    ["gemma3", "window=23"], ["gemma3", "window=1000"], ["gemma3", "window_period=3"], ["gemma3", "attention_scale=0.25"],
    ["gemma3-variant", "final_softcap=0"], ["gemma3-variant", "rope_scale=1"], ["gemma3-variant", "rope_scale_window=0.125"],
    ["gemma3-variant", "norm_eps=1e-6"], ["gemma3-variant", "rope_base_window=10000"],
    ["phi3", "rope_kind=0"], ["phi3", "window_all=16"], ["phi3-short", "rope_factors=0"], ["phi3-short", "rope_original_context=64"],
    ["phi3-long", "rope_original_context=512"], ["phi3-long", "rope_magnitude=1"], ["phi3-partial", "rope_dims=16"],
];

async function checkWrong() {
    console.log("relative difference with one wrong value; each has to exceed ten times the tolerance");
    for (const [name, wrong] of WRONG) {
        const theirs = readFloats(path.join(SCRATCH, `${name}.logits`));
        const r = relative(ourLogits(path.join(SCRATCH, `${name}.gguf`), path.join(SCRATCH, `${name}.tokens`), wrong), theirs);
        report(r > 10 * tolerance(name), `${name.padEnd(24)} ${wrong.padEnd(28)} ${sci(r)}  (more than ${sci(10 * tolerance(name))})`);
    }
}

// ---- token ids ----

async function checkTokens() {
    const texts = [path.join(SOURCE, "tests", "data", "passage.txt")], models = [path.join(SOURCE, "data", "seedling.gguf")];
    if (hasShared) {
        for (const f of fs.readdirSync(path.join(shared, "text"))) texts.push(path.join(shared, "text", f));
        for (const f of fs.readdirSync(path.join(shared, "models"))) if (f.endsWith(".gguf")) models.push(path.join(shared, "models", f));
        for (const f of fs.readdirSync(path.join(shared, "vocab"))) if (f.endsWith(".gguf")) models.push(path.join(shared, "vocab", f));
    } else console.log("skipped: ../shared is absent, so its texts and vocabularies are not compared");
    for (const model of models) {
        for (const text of texts) {
            let body = fs.readFileSync(text, "utf8").slice(0, 100000);
            const file = path.join(SCRATCH, "text.txt");
            fs.mkdirSync(SCRATCH, {recursive: true});
            fs.writeFileSync(file, body);
            const theirs = await tokenize(model, body);
            const ours = run(WILDTYPE, ["tokenize", model, "--no-special", "--file", file]).toString().trim().split(/\s+/).map(Number);
            const at = theirs.findIndex((id, i) => id !== ours[i]);
            report(at < 0 && ours.length === theirs.length,
                `${path.basename(model).padEnd(28)} ${path.basename(text).padEnd(24)} ${theirs.length} ids` +
                (at < 0 ? "" : `; the first difference is id ${at}: ${ours.slice(at, at + 5)} against ${theirs.slice(at, at + 5)}`));
        }
    }
}

// ---- perplexity and divergence ----

async function checkFigures() {
    fs.mkdirSync(SCRATCH, {recursive: true});
    const seedling = path.join(SOURCE, "data", "seedling.gguf"), passage = path.join(SOURCE, "tests", "data", "passage.txt");
    const make = (model, name, ...args) => {
        const out = path.join(SCRATCH, `${name}.gguf`);
        run(MAKE_CANDIDATE, [model, out, ...args]);
        return out;
    };
    // [candidate, reference, text]: noise in F16, the same values in F32, and blocks of 8 bits.
    const pairs = [
        [make(seedling, "seedling-noise", "noise", "0.1"), seedling, passage],
        [make(path.join(SCRATCH, "seedling-noise.gguf"), "seedling-noise-f32", "f32"), seedling, passage],
        [make(seedling, "seedling-q8_0", "q8_0"), seedling, passage],
    ];
    if (hasShared) {
        const model = (name) => path.join(shared, "models", `${name}.gguf`), text = (name) => path.join(shared, "text", `${name}.txt`);
        pairs.push([make(model("sapling-F16"), "sapling-noise", "noise", "0.06"), model("sapling-F16"), text("novel_chesterton")],
            [model("gnarled-F16"), model("sapling-F16"), text("novel_haggard")],
            [make(model("stories260K-F32"), "stories-noise", "noise", "0.1"), model("stories260K-F32"), text("tinystories")]);
    } else console.log("skipped: ../shared is absent, so its models are not compared");
    const cases = [["128", 3], ["100", 3]]; // contexts that are and are not a multiple of our tiles
    for (const [i, [candidate, reference, text]] of pairs.entries()) {
        const [context, chunks] = cases[i === 0 ? 0 : i === 1 ? 1 : 0];
        const theirs = await measure(candidate, reference, text, Number(context), chunks);
        const ours = JSON.parse(run(WILDTYPE, ["eval", candidate, "--reference", reference, "--text", text,
            "--context", context, "--chunks", String(chunks), "--json"]).toString());
        const off = (a, b) => Math.abs(a - b);
        const name = path.basename(candidate, ".gguf").padEnd(20);
        report(ours.tokens === theirs.tokens, `${name} tokens ${ours.tokens} against ${theirs.tokens}`);
        // llama.cpp rounds the activations that meet 8-bit blocks; the next issue simulates that. Its effect here is below 1e-3.
        const slack = /q8_0/.test(candidate) ? 1e-3 : 2e-4;
        report(off(ours.kld_mean, theirs.kld_mean) <= Math.max(0.05 * theirs.kld_mean, slack),
            `${name} KLD ${ours.kld_mean.toFixed(6)} against ${theirs.kld_mean.toFixed(6)}`);
        for (const key of ["perplexity", "reference_perplexity"])
            report(off(ours[key], theirs[key]) <= (/q8_0/.test(candidate) && key === "perplexity" ? 0.005 : 0.001) * theirs[key],
                `${name} ${key} ${ours[key].toFixed(4)} against ${theirs[key].toFixed(4)}`);
        report(off(ours.same_top, theirs.same_top) <= 0.01, `${name} same top ${ours.same_top.toFixed(4)} against ${theirs.same_top.toFixed(4)}`);
    }
}

const suites = {logits: checkLogits, wrong: checkWrong, tokens: checkTokens, figures: checkFigures};
await suites[process.argv[2]]();
await llama.dispose();
console.log(failures ? `${failures} failed` : "all equal within their tolerances");
process.exit(failures ? 1 : 0);
