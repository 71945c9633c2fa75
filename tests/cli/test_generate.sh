# generate: the same text for the same seed, JSON, prompts, limits.
source "$(dirname "$0")/lib.sh"

wt generate -n 40
expect_status 0
expect_silent err
text=$(cat "$out")
expect_number 'letters of 40 tokens' "${#text} > 40"
wt generate -n 40 --threads 1
expect_equal 'the text with one thread' "$text" "$(cat "$out")"
wt generate seedling -n40 --seed=1
expect_equal 'the text of the default seed' "$text" "$(cat "$out")"
wt generate "$seedling" -n 40 --seed 2
[ "$text" != "$(cat "$out")" ] || fail 'another seed gives the same text'

wt generate --prompt 'The old captain' -n 10 --temperature 0
expect_status 0
expect_out '^The old captain'
greedy=$(cat "$out")
wt generate --prompt 'The old captain' -n 10 --temperature 0 --seed 99
expect_equal 'greedy text does not depend on the seed' "$greedy" "$(cat "$out")"
expect_equal 'the text ends with one newline' '\n' "$(tail -c 1 "$out" | od -An -c | tr -d ' ')"

wt generate --prompt 'The old captain' -n 10 --temperature 0 --json
expect_status 0
expect_json
expect_equal keys 'model prompt text prompt_tokens tokens count temperature seed finish seconds' "$(json --keys)"
expect_equal 'prompt and text' "$greedy" "$(json prompt)$(json text)"
expect_equal 'tokens' 10 "$(json --count tokens)"
expect_equal 'first token of the prompt' 1 "$(json prompt_tokens.0)"
expect_equal 'finish' length "$(json finish)"

# A prompt of odd bytes comes back as it went in.
wt generate --prompt "$(printf 'caf\303\251 \377')" -n 3
expect_status 0
expect_equal 'the first bytes' "$(printf 'caf\303\251 \377' | od -An -tx1)" "$(head -c 7 "$out" | od -An -tx1)"

wt generate -n 400
expect_error '.*context of 256'
wt generate --prompt "$(for i in $(seq 300); do printf 'sea '; done)"
expect_error '.*context of 256'
# The default number of tokens fits what is left.
wt generate --prompt "$(for i in $(seq 100); do printf 'sea '; done)"
expect_status 0
wt generate 'The old captain'
expect_error "cannot open 'The old captain'"
expect_err "^hint: .*'seedling'"
finish
