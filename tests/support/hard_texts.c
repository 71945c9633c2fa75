#include "support/hard_texts.h"

#include <stdio.h>
#include <string.h>

#include "engine/unicode.h"

#define HARD(s)                                                                                                        \
    { s, sizeof(s) - 1 }
const hard_text HARD_TEXTS[] = {
    HARD(""),
    HARD(" "),
    HARD("  "),
    HARD("   "),
    HARD("\t"),
    HARD("\n"),
    HARD("\n\n"),
    HARD("\n\n\n"),
    HARD("\r\n"),
    HARD("\r"),
    HARD("\r\r\n\n"),
    HARD("\t\n"),
    HARD(" \n"),
    HARD("  \n  "),
    HARD("\n \n \n"),
    HARD("a\n b\r\n  c\r d"),
    HARD("Hello world"),
    HARD(" Hello world"),
    HARD("Hello, y'all! How are you \xf0\x9f\x98\x81 ?"),
    HARD("a"),
    HARD(" a"),
    HARD("I'M you'RE we'Ll they'vE he'D it'S don'T 's 't 're 've 'm 'll 'd 'S 'T 'RE 'Ve 'M 'lL 'D"),
    HARD("'s't're've'm'll'd'sx'tx 'r 'v 'l '"),
    HARD("it\xe2\x80\x99s don\xe2\x80\x99t"),
    HARD("x'\xc5\xbf y'\xe2\x84\xaa z'\xc4\xb0"),
    HARD("1 12 123 1234 12345 123456 1234567 12345678 123456789 0.1 1,000 1e10 0xFF"),
    HARD(
        "\xd9\xa1\xd9\xa2\xd9\xa3\xd9\xa4 \xe0\xa5\xa7\xe0\xa5\xa8\xe0\xa5\xa9 \xef\xbc\x91\xef\xbc\x92\xef\xbc\x93 \xc2\xbd\xc2\xb2\xe2\x85\xa7\xe2\x91\xa0"),
    HARD("abc123def456ghi7890 a1b2c3 A1B2 123abc456"),
    HARD("camelCaseString PascalCase SCREAMING_SNAKE iPhone XMLHttp"),
    HARD(
        "\xc3\x89t\xc3\xa9 \xc3\x80 la carte na\xc3\xafve \xc3\x98re \xc3\x9f\xc3\x9f \xc7\x85\xc7\x88 \xca\xb0\xca\xb1"),
    HARD("e\xcc\x81 a\xcc\x80\xcc\x81\xcc\x82 \xcc\x81x \xcc\x81\xcc\x81 1\xcc\x81 .\xcc\x81 \n\xcc\x81 z\xcc\x81's"),
    HARD(
        "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, \xd0\xbc\xd0\xb8\xd1\x80! \xce\x93\xce\xb5\xce\xb9\xce\xac \xd7\xa9\xd7\x9c\xd7\x95\xd7\x9d \xd9\x85\xd8\xb1\xd8\xad\xd8\xa8\xd8\xa7"),
    HARD(
        "\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c\xe4\xb8\x96\xe7\x95\x8c\xef\xbc\x81 \xe3\x81\x93\xe3\x82\x93\xe3\x81\xab\xe3\x81\xa1\xe3\x81\xaf\xe3\x82\xab\xe3\x82\xbf\xe3\x82\xab\xe3\x83\x8a \xec\x95\x88\xeb\x85\x95 \xe3\x84\x85\xe3\x84\x86"),
    HARD(
        "\xe0\xa4\xa8\xe0\xa4\xae\xe0\xa4\xb8\xe0\xa5\x8d\xe0\xa4\xa4\xe0\xa5\x87 \xe0\xb8\xaa\xe0\xb8\xa7\xe0\xb8\xb1\xe0\xb8\xaa\xe0\xb8\x94\xe0\xb8\xb5 \xe1\x9e\x9f\xe1\x9e\xbd\xe1\x9e\x9f\xe1\x9f\x92\xe1\x9e\x8f\xe1\x9e\xb8 \xe0\xba\xaa\xe0\xba\xb0"),
    HARD(
        "\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7\xe2\x80\x8d\xf0\x9f\x91\xa6 \xf0\x9f\x8f\xb3\xef\xb8\x8f\xe2\x80\x8d\xf0\x9f\x8c\x88 \xf0\x9f\x87\xa9\xf0\x9f\x87\xaa \xf0\x9f\x91\x8d\xf0\x9f\x8f\xbd 1\xef\xb8\x8f\xe2\x83\xa3"),
    HARD("a\xc2\x85"
         "b\xc2\xa0"
         "c\xe3\x80\x80"
         "d\xe1\xa0\x8e"
         "e\xe1\x9a\x80"
         "f\xe2\x80\xa8g\xe2\x80\xa9h\xe2\x80\x8bi\xe2\x81\x9fj\xe2\x80\xafk\xef\xbb\xbfl"),
    HARD("a \xc2\xa0 b\xc2\x85\n\xe3\x80\x80\xe3\x80\x80x  \xe2\x80\x83 y\x0b\x0c\x1c\x1d\x1e\x1fz\x7f"),
    HARD("\x00"),
    HARD("a\x00"
         "b\x00\x00 c"),
    HARD("\xc2\xa0\xc2\xa0\xc2\xa0"),
    HARD("\xe3\x80\x80"),
    HARD(" \xe3\x80\x80 \xc2\x85"),
    HARD("x \t\t  y\t z"),
    HARD("\x80\xff\xfe\xc0\x80\xe2\x28\xa1\xed\xa0\x80\xf0\x28\x8c\xbc\xf8\x88\x80\x80\x80\xc3"),
    HARD("\xc3"),
    HARD("\xe2\x96"),
    HARD("\xf0\x9f\x98"),
    HARD("abc\xc3 def\xe2\x96 ghi\xf0\x9f\x98 jkl\xbf\xbf"),
    HARD("\xc1\xbf\xe0\x80\xaf\xf0\x80\x80\xaf\xed\xbf\xbf"),
    HARD("\xef\xbf\xbd\xef\xbf\xbe\xef\xbf\xbf\xf4\x8f\xbf\xbf"),
    HARD("\xe2\x96\x81hello\xe2\x96\x81world \xe2\x96\x81 \xe2\x96\x81"),
    HARD("<0x41><0x0A>"),
    HARD("#include <stdio.h>\nint main(void) {\n\tprintf(\"%d\\n\", x[i++] += 0x1F);\r\n    return 0; // done\n}\n"),
    HARD("def f(x):\n    if x > 1:\n        return x ** 2\n\n\n    return None\n"),
    HARD("a       b\n\n\n      c        d   e    f\t\t\tg"),
    HARD("https://example.org/a/b?c=d&e=f#g user@host.tld C:\\dir\\file"),
    HARD("$5.00 +3 <= 4 ^2 ~x |y| `code` a=b != c && d || !e %f @g &h *i* _j_ {k} [l] (m) \"n\" \\o /p :q ;r ,s .t ?u"),
    HARD("...!!!??? -- --- ---- ===== ***** ///// ////\n/\n.../ ,/\r\n/"),
    HARD(
        "\xe2\x80\xa6\xe2\x80\x9c\xe2\x80\x9d\xe2\x80\x98\xe2\x80\x94\xef\xbc\x9a\xef\xbc\x9b\xe3\x80\x82\xe2\x82\xac\xc2\xa3\xc2\xa5 \xe2\x88\x80x\xe2\x88\x88\xe2\x84\x9d \xe2\x86\x92"),
    HARD("(IMGIMG)((A|B) IMGIMGABCDZ <sentinel:12> IMGIMGAZIMGIMGABCDEZ"),
    HARD("_a .b -c \"d (e [f /g @h #i $j %k &l *m +n =o ~p `q |r <s >t ,u ;v :w !x ?y"),
    HARD(
        "<s>Hello</s> <unk> <|endoftext|> <|end|>\n\n<|user|>  hi <|assistant|>x <pad><bos><eos><start_of_turn>user\n<end_of_turn>"),
    HARD(
        "<|begin_of_text|><|start_header_id|>a<|end_header_id|>\n\nb<|eot_id|> <|im_start|>c<|im_end|>\n<|fim_prefix|>"),
    HARD("<|endoftext|><|endoftext|>  <|endoftext|>\n<|endoftext"),
    HARD("</s></s>  x</s>\t<s>\n<s> <s>  "),
    HARD("<\xef\xbd\x9c"
         "begin\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>x<\xef\xbd\x9c"
         "end\xe2\x96\x81of\xe2\x96\x81sentence\xef\xbd\x9c>"),
    HARD("mixed\xe4\xb8\xad\xe6\x96\x87"
         "English123\xe6\xb7\xb7\xe5\x90\x88\xd1\x82\xd0\xb5\xd1\x81\xd1\x82\xd0\xaf"
         "A\xce\xa9z"),
    HARD(
        "\xf0\x90\x90\x80\xf0\x90\x90\xa8\xf0\x9e\xa4\x80\xf0\x9d\x94\xb8\xf0\x9d\x9f\x98\xf0\xa0\x80\x80\xf0\xaf\xa0\x80\xf0\xab\x9d\x80"),
    HARD(
        "\xe2\xba\x80\xe2\xbc\x80\xe3\x80\x85\xe3\x80\x87\xe3\x90\x80\xe4\xb7\xbf\xe9\xbf\xbf\xef\xa4\x80\xef\xab\xbf\xf0\xaa\x9b\x9f\xf0\xaa\x9b\xa0\xf0\xb1\x8d\x90"),
    HARD("'sx'tx'mx'dx'rex'vex'llx 'Sx 'Tx 'Mx 'Dx 'REx 'VEx 'LLx a'sx b'tx c'mx d'dx e'rex f'vex g'llx"),
    HARD("a\rb\rc\rd\rE\rF\r\rG\nh\ni\nJ\n\nK\t\nl \nm"),
    HARD("!\n/x ?\n/y .\r\n/z ,//\n\n//w ;\r/v :/\r\n/u"),
    HARD("aBcDeFgHiJkLmNoPqRsTuVwXyZ AbCdEfGhIjKlMnOpQrStUvWxYz abCDefGHijKLmnOPqrSTuvWXyz \xc3\xa9"
         "A\xc3\x89"
         "a\xc3\xa9\xc3\x89"
         "aA Z\xc3\xa9z\xc3\x89Z \xd0\x96"
         "a\xd0\xb6"
         "A"),
    HARD("a\xd8\x8c"
         "b\xdb\x94"
         "c\xe0\xa5\xa4"
         "d\xe2\x80\xa6"
         "e\xe3\x80\x82"
         "f\xef\xbc\x8cg\xe3\x80\x81h(i)j|k.l,m!n?o \xd8\x8c \xdb\x94 \xe0\xa5\xa4"),
    HARD(
        "\xe9\xbe\xa4\xe9\xbe\xa5\xe9\xbe\xa6\xe9\xbf\xbf"
        "a\xe4\xb8\x80"
        "b\xe4\xb7\xbf"
        "c\xdf\xbf"
        "d\xe0\xa0\x80"
        "e\xed\x9f\xbf"
        "f\xea\xb0\x80g\xea\xaf\xbfh\xe3\x80\xbfi\xe3\x81\x80j\xe3\x82\x9fk\xe3\x82\xa0l\xe3\x83\xbem\xe3\x83\xbfn\xe3\x84\x80o\xe3\x84\x85p\xe3\x84\xafq\xe3\x84\xb0r\xe3\x84\xb1s\xe3\x86\x8et\xe3\x86\x8f"),
    HARD(
        "x\xe1\x82\xa0y\xe1\x83\x85z\xe1\x83\x86"
        "a\xc2\xb5"
        "b\xc6\xbb"
        "c\xc7\x80"
        "d\xca\x94"
        "e\xca\xb0"
        "f\xd2\x82g\xd5\x97h\xe1\xb8\x80i\xe2\x84\x82j\xe2\x86\x83k\xef\xac\x86l\xef\xbc\xa1m\xef\xbd\x9an\xf0\x90\x90\x80o\xf0\x9e\xa5\x83p\xf0\x9e\xa5\x84q\xe2\x80\x98r\xe2\x80\x9fs\xef\xbc\x81t\xef\xbc\x8fu\xef\xbc\x9av\xef\xbd\x9ew"),
    HARD(
        "a         b                 c                                 d                                                                  e                                                                                                                                  f                                                                                                                                                                                                                                                                  g                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   h"),
    HARD(
        "a$b $5 #6 %7 &8 *9 @0 [1] {2} \\3 ^4 `5 |6 ~7 +8 =9 <0> -1 _2 /3 :4 ;5 '6 \"7 !8 ?9 .0 ,1 (2)3$$4##5%%6^^7``8"),
    HARD("IMGIMGAZIMGIMGABCDZIMGIMGABCDEZ IMGIMGABJZ <sentinel:1><sentinel:23>x<sentinel:>"),
    HARD("1\xd9\xa0"
         "22\xd9\xa1"
         "333\xd9\xa2"
         "4444\xd9\xa3"
         "55555 12\xc2\xb2"
         "3456 \xc2\xbd"
         "7\xc2\xbe"
         "89"),
    HARD(
        "\xe1\x80\x80"
        "a\xe1\x82\x9f"
        "b\xe1\x82\xa0"
        "c\xea\xa9\xa0"
        "d\xea\xa9\xbf"
        "e\xea\xa7\xa0"
        "f\xe0\xb9\x80g\xe0\xb8\xbfh\xe0\xbb\xbfi\xe1\x9e\x80j\xe1\x9f\xbfk\xe1\x84\x80l\xe1\x87\xbfm\xe1\x88\x80n\xe8\xb1\x88o\xe8\xb1\x87p\xef\xab\xbfq\xef\xbd\xa5r\xef\xbe\x9fs\xef\xbe\xa0t\xe2\xbc\x80u\xe2\xbf\x9fv"),
};

const size_t HARD_TEXT_COUNT = sizeof HARD_TEXTS / sizeof *HARD_TEXTS;

const char *const HARD_PIECES[] = {
    " ",
    "\r",
    "  ",
    "\n",
    "\r\n",
    "\t",
    "\xc2\xa0",
    "\xe3\x80\x80",
    "\xc2\x85",
    "'s",
    "'RE",
    "'ll",
    "'",
    "a",
    "B",
    "the",
    "Hello",
    "world",
    "1",
    "23",
    "456",
    "\xd9\xa1",
    "\xc2\xb2",
    "\xef\xbc\x91",
    ".",
    ",",
    "!",
    "/",
    "-",
    "_",
    "(",
    "$",
    "+",
    "=",
    "|",
    "`",
    "~",
    "^",
    "\xe2\x82\xac",
    "\xe2\x80\xa6",
    "\xc3\xa9",
    "\xc3\x89",
    "\xcc\x81",
    "\xd0\xb6",
    "\xd0\x96",
    "\xe4\xb8\xad",
    "\xe3\x81\x82",
    "\xe3\x82\xab",
    "\xed\x95\x9c",
    "\xe0\xa4\x95",
    "\xe0\xa5\x8d",
    "\xe0\xb8\x81",
    "\xe0\xb8\xb1",
    "\xf0\x9f\x98\x81",
    "\xe2\x80\x8d",
    "\xef\xb8\x8f",
    "\xe2\x96\x81",
    "\x80",
    "\xff",
    "\xc3",
    "\xf0\x9f",
    "\xe1\xa0\x8e",
    "A",
    "Z",
    "z",
    "\\",
    "\"",
    "<",
    ">",
    "[",
    "]",
    "{",
    "}",
};
const size_t HARD_PIECE_COUNT = sizeof HARD_PIECES / sizeof *HARD_PIECES;

/* Stock llama.cpp dies of sequences beyond U+10FFFF; make them ordinary invalid bytes. */
static void defuse(char *text, size_t len) {
    unsigned char *p = (unsigned char *)text;
    for (size_t i = 0; i < len; i++) {
        bool full = i + 3 < len && (p[i + 1] & 0xc0) == 0x80 && (p[i + 2] & 0xc0) == 0x80 && (p[i + 3] & 0xc0) == 0x80;
        if (full && p[i] >= 0xf4 && p[i] < 0xf8 && (p[i] > 0xf4 || p[i + 1] >= 0x90)) p[i] = 0xff;
    }
}

size_t hard_random(wt_rng *rng, char *out, size_t room) {
    size_t len = 0, want = 1 + wt_rng_below(rng, room - 64), kind = wt_rng_below(rng, 8);
    while (len < want) {
        if (kind == 0) {
            out[len++] = (char)wt_rng_below(rng, 256);
        } else if (kind == 1) {
            len += wt_utf8_encode((uint32_t)wt_rng_below(rng, wt_rng_below(rng, 2) ? 0x110000 : 0x3100), out + len);
        } else {
            const char *f = HARD_PIECES[wt_rng_below(rng, HARD_PIECE_COUNT)];
            size_t times = wt_rng_below(rng, 12) ? 1 : 1 + wt_rng_below(rng, 5);
            for (; times > 0; times--) {
                memcpy(out + len, f, strlen(f));
                len += strlen(f);
            }
        }
    }
    if (len > room - 40) len = room - 40;
    defuse(out, len);
    return len;
}

hard_text hard_golden(size_t k, char *buf, size_t room) {
    if (k < HARD_TEXT_COUNT) return HARD_TEXTS[k];
    wt_rng rng;
    wt_rng_init(&rng, 1, 5, k - HARD_TEXT_COUNT);
    return (hard_text){buf, hard_random(&rng, buf, room)};
}

uint64_t hard_hash(uint64_t hash, const int32_t *ids, size_t count) {
    hash = (hash ^ count) * 0x100000001b3u;
    for (size_t i = 0; i < count; i++) hash = (hash ^ (uint32_t)ids[i]) * 0x100000001b3u;
    return hash;
}

/* A byte as byte-level BPE writes it, NUL-terminated. */
static size_t write_byte(uint32_t byte, char *out) {
    uint32_t code = byte;
    if (byte <= 32)
        code = 256 + byte;
    else if (byte >= 127 && byte <= 160)
        code = 256 + 33 + (byte - 127);
    else if (byte == 173)
        code = 256 + 33 + 34;
    size_t n = wt_utf8_encode(code, out);
    out[n] = '\0';
    return n;
}

enum { ALL_PAIRS = 65536 };

image hard_some_pairs(const char *pre, uint64_t seed, uint32_t count) {
    image m = {0};
    char text[16];
    static uint16_t order[ALL_PAIRS];
    wt_rng rng;
    wt_rng_init(&rng, seed, 2, 0);
    for (uint32_t i = 0; i < ALL_PAIRS; i++) {
        uint32_t j = (uint32_t)wt_rng_below(&rng, i + 1);
        order[i] = order[j];
        order[j] = (uint16_t)i;
    }
    image_head(&m, 3, 0, 5);
    image_kv_str(&m, "general.architecture", "gpt2");
    image_kv_str(&m, "tokenizer.ggml.model", "gpt2");
    image_kv_str(&m, "tokenizer.ggml.pre", pre);
    image_kv_array(&m, "tokenizer.ggml.tokens", 8, 256 + count);
    for (uint32_t b = 0; b < 256; b++) {
        write_byte(b, text);
        image_str(&m, text);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t pair = count == ALL_PAIRS ? i : order[i];
        write_byte(pair & 255, text + write_byte(pair >> 8, text));
        image_str(&m, text);
    }
    image_kv_array(&m, "tokenizer.ggml.merges", 8, count);
    for (uint32_t i = 0; i < count; i++) {
        size_t n = write_byte(order[i] >> 8u, text);
        text[n] = ' ';
        write_byte(order[i] & 255u, text + n + 1);
        image_str(&m, text);
    }
    image_pad(&m, 32);
    return m;
}

image hard_pairs(const char *pre, uint64_t seed) { return hard_some_pairs(pre, seed, ALL_PAIRS); }

/* Texts and types of the tokens behind the bytes; of the type 1, what merging needs comes first. */
static const struct special {
    const char *text;
    int32_t type; /* 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte */
    float score;
} SPECIALS[] = {
    {"\xe2\x96\x81", 1, -1},
    {"a", 1, -2},
    {"b", 1, -3},
    {"c", 1, -4},
    {"ab", 1, -5},
    {"bc", 1, -4.5f},
    {"abc", 1, -9},
    {"\xe2\x96\x81"
     "a",
     1, -6},
    {"\xe2\x96\x81\xe2\x96\x81", 1, -5},
    {"ca", 1, -5},
    {"<|endoftext|>", 3, 0},
    {"<|end|>", 1, 0},
    {"<|fim_prefix|>", 1, 0},
    {"<unused1>", 3, 0},
    {"<unused2>", 5, 0},
    {"<a>", 4, 0},
    {"<a", 4, 0},
    {"a>", 4, 0},
    {"a><", 4, 0},
    {">b<", 3, 0},
    {"\n\n", 4, 0},
    {"  ", 4, 0},
    {"   ", 4, 0},
    {"<x>", 3, 0},
    {"<x><y>", 3, 0},
    {"<mask>", 3, 0},
    {"</s><s>", 4, 0},
    {"caba", 4, 0},
    {"abac", 4, 0},
    {"abc<", 3, 0},
    {"<other>", 2, 0},
    {"\xc3\xa9<", 4, 0},
    {"\xa9\xc3", 4, 0},
    {"<|channel|>", 3, 0},
    {"<|im_end|>", 4, 0},
};
#define N_SPECIALS (sizeof SPECIALS / sizeof *SPECIALS)

image hard_specials(bool spm, const char *name) {
    image m = {0};
    char text[16];
    const uint64_t n = 3 + 256 + N_SPECIALS;
    image_head(&m, 3, 0, spm ? 6 : 8);
    image_kv_str(&m, "general.architecture", "llama");
    image_kv_str(&m, "general.name", name);
    image_kv_str(&m, "tokenizer.ggml.model", spm ? "llama" : "gpt2");
    image_kv_array(&m, "tokenizer.ggml.tokens", 8, n);
    image_str(&m, "<unk>");
    image_str(&m, "<s>");
    image_str(&m, "</s>");
    for (uint32_t b = 0; b < 256; b++) {
        if (spm)
            snprintf(text, sizeof text, "<0x%02X>", b);
        else if (b == 'a' || b == 'b' || b == 'c') /* among the specials */
            snprintf(text, sizeof text, "[%c]", b);
        else
            write_byte(b, text);
        image_str(&m, text);
    }
    for (size_t i = 0; i < N_SPECIALS; i++) image_str(&m, SPECIALS[i].text);
    image_kv_array(&m, "tokenizer.ggml.token_type", 5, n);
    for (uint32_t i = 0; i < 259; i++) image_u32(&m, i == 0 ? 2 : i < 3 ? 3 : spm ? 6 : 1);
    for (size_t i = 0; i < N_SPECIALS; i++) image_u32(&m, (uint32_t)SPECIALS[i].type);
    image_kv_array(&m, "tokenizer.ggml.scores", 6, n);
    for (uint32_t i = 0; i < 259; i++) image_bytes(&m, &(float){0}, 4);
    for (size_t i = 0; i < N_SPECIALS; i++) image_bytes(&m, &SPECIALS[i].score, 4);
    if (!spm) {
        image_kv_array(&m, "tokenizer.ggml.merges", 8, 4);
        for (int i = 0; i < 4; i++) image_str(&m, (const char *const[]){"b c", "a b", "a bc", "c a"}[i]);
        image_kv_u32(&m, "tokenizer.ggml.bos_token_id", 1);
    }
    image_pad(&m, 32);
    return m;
}

size_t hard_specials_text(wt_rng *rng, char *out, size_t room) {
    static const char *const around[] = {" ", "  ", "\n",  "\t",   "a",     "b",    "c",   "<",
                                         ">", "x",  "<s>", "</s>", "<unk>", "\xc3", "\xa9"};
    size_t len = 0, want = 1 + wt_rng_below(rng, room - 32);
    while (len < want) {
        size_t i = wt_rng_below(rng, 2 * N_SPECIALS);
        const char *piece = i < N_SPECIALS ? SPECIALS[i].text : around[i % (sizeof around / sizeof *around)];
        memcpy(out + len, piece, strlen(piece));
        len += strlen(piece);
    }
    return len;
}
