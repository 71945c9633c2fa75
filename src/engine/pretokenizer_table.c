/*
 * The pre-tokenizers of llama.cpp, a row each. The patterns are those of the models' own tokenizer.json files in the
 * form in which llama.cpp runs them: it knows no kinds of letters, for example, so that what a model's pattern calls a
 * capital letter is any letter but a small one of ASCII. `tests/interop/tokenizers.c` compares every name with stock
 * llama.cpp.
 */
#include "engine/pretokenizer_private.h"

/* The inside of a character class for each \p{..}: its unit, and its members in ASCII. */
#define N "\\x{D1}0-9"
#define L "\\x{D2}A-Za-z"
#define P "\\x{D3}!-#%-*,-/:;?@\\[-\\]_{}"
#define M "\\x{D4}"
#define S "\\x{D5}$+<->^`|~"
#define UPPER "\\x{D2}A-Z" /* letters but the small ones of ASCII */
#define LOWER "\\x{D2}a-z" /* letters but the capital ones of ASCII */

/* Phrases that many patterns share. */
#define CONTRACTION "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define LEAD "[^\\r\\n" L N "]?" /* what may stand in front of a word */
#define LINES "\\s*[\\r\\n]+|"
#define BLANKS "\\s+(?!\\S)|\\s+"
#define SIGNS " ?[^\\s" L N "]+"
#define WORDS(digits) CONTRACTION "|" LEAD "[" L "]+|" digits "|" SIGNS "[\\r\\n]*|" LINES BLANKS
#define CASED(marks, contraction)                                                                                      \
    LEAD "[" UPPER marks "]*[" LOWER marks "]+" contraction "|" LEAD "[" UPPER marks "]+[" LOWER marks                 \
         "]*" contraction "|"

/* A rule on units, and one on the text itself. */
#define CLASSES(pattern)                                                                                               \
    { WT_SPLIT_CLASSES, pattern }
#define TEXT(pattern)                                                                                                  \
    { WT_SPLIT_TEXT, pattern }

/* Whole patterns that several rows use. */
#define GPT2 CLASSES("'s|'t|'re|'ve|'m|'ll|'d| ?[" L "]+| ?[" N "]+|" SIGNS "|" BLANKS)
#define DIGIT CLASSES("[" N "]")
#define DIGITS CLASSES("[" N "]+")
#define DIGITS_3 CLASSES("[" N "]{1,3}")
#define ASCII_3 CLASSES("[0-9][0-9][0-9]")
#define LLAMA3 CLASSES(WORDS("[" N "]{1,3}"))
#define QWEN2 CLASSES(WORDS("[" N "]"))
#define GPT4O CLASSES(CASED("", CONTRACTION "?") "[" N "]{1,3}|" SIGNS "[\\r\\n/]*|" LINES BLANKS)
#define NEWLINES CLASSES("[^\\n]+|\\n+")
#define NEWLINE CLASSES("[\\r\\n]")
#define CODE_WORDS "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n" L P S "]?[" L M "]+|"
#define DEEPSEEK_V3 CLASSES(CODE_WORDS " ?[" P S "]+[\\r\\n]*|" LINES BLANKS)
#define LETTERS_OR_MARKS LEAD "[" L M "]+" CONTRACTION "?|"

/* Patterns that name code points. */
#define HAN_KANA TEXT("[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{30FF}]+")
#define CJK TEXT("[\\x{800}-\\x{9FA5}\\x{AC00}-\\x{D7FF}]+")
#define BLOOM TEXT(" ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{FF0C}\\x{3001}\\x{964}\\x{6D4}\\x{60C})]+")
#define DEEPSEEK_LETTERS                                                                                               \
    TEXT("\\s?[A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}-\\x{293}\\x{295}"  \
         "-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}\\x{386}\\x{388}-\\x{38A}\\x{38C}"        \
         "\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}"    \
         "\\x{13A0}-\\x{13F5}\\x{13F8}-\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-"   \
         "\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}\\x{1F20}-\\x{1F45}\\x{1F48}-\\x{1F4D}"    \
         "\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}"     \
         "\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}"    \
         "\\x{1FF2}-\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-\\x{211D}"     \
         "\\x{2124}\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}\\x{213C}-\\x{213F}\\x{2145}-"     \
         "\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}"      \
         "\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}"    \
         "\\x{AB70}-\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-\\x{FF5A}\\x{10400}-"  \
         "\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-"   \
         "\\x{118DF}\\x{1E900}-\\x{1E943}]+")
#define DEEPSEEK_MARKS TEXT("\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+")
/* White space that ends the piece; looking back keeps long runs elsewhere from being tried at every place. */
#define ENDING_BLANKS TEXT("(?<!\\s)\\s++$")
#define AFMOE_SCRIPTS                                                                                                  \
    TEXT("[\\x{4E00}-\\x{9FFF}\\x{3400}-\\x{4DBF}\\x{8C48}-\\x{FAFF}\\x{3040}-\\x{30FF}\\x{FF65}-"                     \
         "\\x{FF9F}\\x{2F00}-\\x{2FDF}\\x{E40}-\\x{EFF}\\x{1780}-\\x{17FF}\\x{1000}-\\x{109F}\\x{AA60}-"               \
         "\\x{AA7F}\\x{A9E0}-\\x{A9FF}\\x{AC00}-\\x{D7AF}\\x{1100}-\\x{11FF}]+")
#define YOUTU_SCRIPTS                                                                                                  \
    TEXT("[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+|[\\x{FF01}\\x{2026}\\x{201C}\\x{201D}\\x{2018}"                    \
         "\\x{2019}\\x{2014}\\x{FF1A}\\x{FF1B}\\x{FF0C}\\x{3001}-\\x{303F}\\x{FE30}-\\x{FE4F}]+|"                      \
         "[\\x{3105}-\\x{312F}]+|[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{30FF}]+")

/* jais-2 cuts white space into powers of two. */
#define HALVED(n) "\\s{" n "}(?!\\S)|"
#define POWERS                                                                                                         \
    HALVED("512")                                                                                                      \
    HALVED("256") HALVED("128") HALVED("64") HALVED("32") HALVED("16") HALVED("8") HALVED("4") HALVED("1,2") "\\s"

#define HAN "\\x{D6}\\x{D7}"
#define KIMI                                                                                                           \
    "[" HAN "]+|[^\\r\\n" L N HAN "]?[" L "]+" CONTRACTION "?|[" N "]{1,3}| ?[^\\s\\x{D6}" L N                         \
    "]+[\\r\\n]*|" LINES BLANKS

const wt_pretokenizer_row WT_PRETOKENIZERS[] = {
    {"default", {CLASSES("[" P "$+<=>^~|]+"), GPT2, DIGITS, ASCII_3}, {0}},
    {"gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum modern-bert jina-v1-en jina-v2-code "
     "roberta-bpe exaone4 mpt olmo jais trillion granite-docling",
     {GPT2},
     {0}},
    {"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
     {LLAMA3},
     {.ignore_merges = true, .add_bos = true}},
    {"dbrx smaug-bpe", {LLAMA3}, {0}},
    {"chatglm-bpe glm4", {LLAMA3}, {.no_bos_token = true}},
    {"qwen2 deepseek-r1-qwen kormo f2llmv2 megrez stablelm2 hunyuan solar-open grok-2", {QWEN2}, {0}},
    {"qwen35", {CLASSES(CONTRACTION "|" LEAD "[" L M "]+|[" N "]| ?[^\\s" L M N "]+[\\r\\n]*|" LINES BLANKS)}, {0}},
    {"smollm starcoder refact command-r codeshell exaone minerva-7b mellum2", {DIGIT, GPT2}, {0}},
    {"tekken",
     {CLASSES(CASED("", "") "[" N "]|" SIGNS "[\\r\\n/]*|" LINES BLANKS)},
     {.ignore_merges = true, .add_bos = true}},
    {"gpt-4o llama4 kanana2 talkie minimax-m2", {GPT4O}, {0}},
    {"granite-embed-multi-97m",
     {CLASSES(CASED(M, CONTRACTION "?") "[" N "]{1,3}|" SIGNS "[\\r\\n/]*|" LINES BLANKS)},
     {.ignore_merges = true}},
    {"falcon", {CLASSES("[" P "$+<=>^~|`]+"), GPT2, ASCII_3}, {0}},
    {"deepseek-llm", {NEWLINE, DEEPSEEK_LETTERS, DEEPSEEK_MARKS, ENDING_BLANKS, CJK, DIGITS}, {0}},
    {"deepseek-coder", {NEWLINE, CLASSES("\\s?[" L "]+"), CLASSES("\\s?[" P "]+"), CJK, DIGIT}, {0}},
    {"deepseek-v3 hunyuan-dense joyai-llm hy_v4", {DIGITS_3, HAN_KANA, DEEPSEEK_V3}, {0}},
    {"spark2_5", {DIGITS_3, HAN_KANA, CLASSES(CODE_WORDS " ?[" P S "]+|[\\r\\n]|" BLANKS), DIGIT}, {0}},
    {"youtu",
     {YOUTU_SCRIPTS, CLASSES(LETTERS_OR_MARKS "[" N "]|" SIGNS "[\\r\\n/]*|" LINES BLANKS)},
     {.ignore_merges = true}},
    {"tiny_aya cohere2moe",
     {{WT_SPLIT_GROUPS, NULL}, CLASSES(LETTERS_OR_MARKS "[" N "]{1,3}|" SIGNS "[\\r\\n/]*|" LINES BLANKS)},
     {0}},
    {"afmoe", {{WT_SPLIT_GROUPS, NULL}, AFMOE_SCRIPTS, DEEPSEEK_V3}, {0}},
    {"kimi-k2", {{WT_SPLIT_HAN, KIMI}}, {.without_merges = true}},
    {"superbpe", {DIGITS, {WT_SPLIT_THOUSANDS, NULL}}, {0}},
    {"jais-2", {CLASSES(CONTRACTION "|" LEAD "[" L "]+|[" N "]{1,3}|" SIGNS "[\\r\\n]*|" LINES POWERS)}, {0}},
    {"poro-chat bloom gpt3-finnish", {BLOOM}, {0}},
    {"viking", {BLOOM, DIGIT}, {0}},
    {"chameleon",
     {TEXT("<sentinel:[0-9]+>"), TEXT("IMGIMG[A-I]{1,4}Z"), TEXT("[\\t\\n]|    |  "), DIGIT,
      CLASSES("[" P "!-/:-@\\[-`{-~]"), GPT2},
     {.add_bos = true}},
    {"bailingmoe bailingmoe2 llada-moe",
     {CLASSES(CONTRACTION "|" LEAD "[" L "]+|[" N "]|" SIGNS "[\\r\\n]*|\\s*[\\r\\n]|" BLANKS)},
     {0}},
    {"seed-coder", {CLASSES(CONTRACTION "|" LEAD "[" L "]+|[" N "]| ?[^\\s" L N "\\r\\n]+|" LINES BLANKS)}, {0}},
    {"ufakzeka", {CLASSES(LEAD "[" L "]+|[" N "]|" SIGNS "[\\r\\n]*|" LINES BLANKS)}, {0}},
    {"exaone-moe", /* words hold single spaces */
     {CLASSES(CONTRACTION "|" LEAD "[" L "][" L M "]*(?: [" L "][" L M "]*)*+|[" N "]|" SIGNS
                          "[\\r\\n/]?|\\s*[\\r\\n]|" BLANKS)},
     {0}},
    {"minicpm5", {DIGITS_3, CLASSES(WORDS("[" N "]+"))}, {.ignore_merges = true}},
    {"laguna", {NEWLINES, QWEN2}, {0}},
    {"gemma4 granite-embed-multi-311m", {NEWLINES}, {.raw_bytes = true, .always_bos = true, .newline_tokens = true}},
    {"sarvam-moe", {NEWLINES}, {.raw_bytes = true}},
};

const size_t WT_PRETOKENIZER_COUNT = sizeof WT_PRETOKENIZERS / sizeof *WT_PRETOKENIZERS;
