// Deliberately wrong values: per random model (tests/support/random_model.c) the changes that wt-logits makes one by
// one. NAME=NUMBER is a hyperparameter, or every element of a tensor (a gain of 1 or a bias of 0 is one that is not
// applied); NAME=swap exchanges a tensor's halves.

const everywhere = ["rope_base=20000", "rope_scale=0.5", "rope_magnitude=1.2", "rope_dims=8", "attention_scale=0.4",
    "embedding_scale=3", "attn_norm.weight=1", "ffn_norm.weight=1", "output_norm.weight=1"];
const yarn = ["rope_yarn=0", "rope_scale=1", "rope_magnitude=1.3", "rope_original_context=512"];
const headNorms = ["qk_norm=0", "attn_q_norm.weight=1", "attn_k_norm.weight=1"];
const postNorms = ["post_norms=0", "post_attention_norm.weight=1", "post_ffw_norm.weight=1"];
const headBiases = ["biases=0", "attn_q.bias=0", "attn_k.bias=0", "attn_v.bias=0"];
const ignored = ["window_all=16", "final_softcap=0.3"]; // the files have such keys, llama.cpp does not heed them

export const WRONG = {
    "llama": [...everywhere, "rope_kind=1", "activation=1", "tied_head=1"],
    "llama-small-embedding": ["norm_eps=1e-5", ...ignored],
    "llama-factors": ["rope_factors=0", "rope_freqs.weight=1"],
    "llama-linear": ["rope_scale=1", "rope_magnitude=1"],
    "llama-yarn": yarn,
    "llama-yarn-shrunk": ["rope_yarn=0", "rope_scale=1"],
    "llama-scaling-none": ["rope_scale=0.25"],
    "llama-scaling-old-key": ["rope_scale=1"],
    "llama-biases": [...headBiases, "attn_output.bias=0", "ffn_gate.bias=0", "ffn_up.bias=0", "ffn_down.bias=0"],
    "llama-fused-qkv": [...headBiases, "attn_qkv.weight=swap"],
    "llama-wide-heads": ["attention_scale=0.25"],

    "qwen2": [...everywhere, ...headBiases, "rope_kind=0", "activation=1"],
    "qwen2-small-embedding": ["norm_eps=1e-6", ...ignored],
    "qwen2-yarn": [...yarn, "tied_head=1"],

    "qwen3": [...everywhere, ...headNorms, "rope_kind=0", "activation=1"],
    "qwen3-small-embedding": ["norm_eps=1e-6", "tied_head=1", ...ignored],
    "qwen3-yarn": [...yarn, ...headBiases],

    "gemma3": [...everywhere, ...headNorms, ...postNorms, "rope_kind=0", "rope_base_window=1000000",
        "rope_scale_window=0.5", "activation=0", "window=23", "window=1000", "window_period=3"],
    "gemma3-variant": ["final_softcap=0", "rope_scale=1", "rope_scale_window=0.125", "norm_eps=1e-6",
        "rope_base_window=10000", "tied_head=1", "window_period=4"],
    "gemma3-yarn": [...yarn, "biases=0", "attn_q.bias=0", "attn_v.bias=0"],
    "gemma3-no-window": ["rope_base=10000", "window_all=24"],
    "gemma3-window-flags": ["window_period=6", "window_period=2", "window=40"],
    "gemma3-deep": ["attention_scale=0.35355339"], // of the head's size, as in every other model

    "phi3": [...everywhere, "rope_kind=0", "activation=1", "tied_head=1", "attn_qkv.weight=swap",
        "ffn_up.weight=swap"],
    "phi3-small-embedding": ["norm_eps=1e-5", ...ignored],
    "phi3-short": ["rope_factors=0", "rope_original_context=64", "rope_factors_short.weight=1"],
    "phi3-long": ["rope_factors=0", "rope_original_context=512", "rope_magnitude=1", "rope_factors_long.weight=1"],
    "phi3-yarn": [...yarn, "biases=0"],
    "phi3-partial": ["rope_dims=16"],
};

// In which architectures each hyperparameter means something; every pair has to be in WRONG.
const all = ["llama", "qwen2", "qwen3", "gemma3", "phi3"];
const MEANT = {
    norm_eps: all, attention_scale: all, embedding_scale: all, final_softcap: all, biases: all, tied_head: all,
    rope_kind: all, rope_dims: all, rope_base: all, rope_scale: all, rope_magnitude: all, rope_yarn: all,
    rope_original_context: all, activation: all, window_all: all, rope_factors: ["llama", "phi3"],
    qk_norm: ["qwen3", "gemma3"], post_norms: ["gemma3"], window: ["gemma3"], window_period: ["gemma3"],
    rope_base_window: ["gemma3"], rope_scale_window: ["gemma3"],
};

/** What WRONG lacks, as lines: hyperparameters of wt-logits that MEANT does not know, pairs that no change tries. */
export function missing(fields) {
    const lines = fields.filter((field) => !MEANT[field]).map((field) => `hyperparameter ${field} is in no table`);
    for (const [field, architectures] of Object.entries(MEANT)) {
        for (const architecture of architectures) {
            const tried = Object.entries(WRONG).some(([model, changes]) =>
                model.split("-")[0] === architecture && changes.some((change) => change.startsWith(`${field}=`)));
            if (!tried) lines.push(`no wrong ${field} is tried for ${architecture}`);
        }
    }
    return lines;
}
