# Documentation that cannot go stale: docs/commands.md is what the program prints, docs/json.md names every key, the man
# pages render without a complaint.
source "$(dirname "$0")/lib.sh"

wt help --markdown
expect_status 0
command='diff docs/commands.md'
diff "$SOURCE/docs/commands.md" "$out" >"$err" || fail "docs/commands.md is stale: build/wildtype help --markdown > docs/commands.md"
checks=$((checks + 1))

wt help --strategies
expect_status 0
command='diff docs/strategies.md'
diff "$SOURCE/docs/strategies.md" "$out" >"$err" || fail "docs/strategies.md is stale: build/wildtype help --strategies > docs/strategies.md"
checks=$((checks + 1))

wt help --rules
expect_status 0
command='diff docs/rules.md'
diff "$SOURCE/docs/rules.md" "$out" >"$err" || fail "docs/rules.md is stale: build/wildtype help --rules > docs/rules.md"
checks=$((checks + 1))

printf 'He looked\n0\na\nb\nc\nd\n' >tasks.txt
documented() {
    expect_json
    local key
    for key in $(json --keys "$@"); do
        grep -q "^| \`$key\` |" "$SOURCE/docs/json.md" || fail "docs/json.md does not explain the key $key"
        checks=$((checks + 1))
    done
}
wt inspect --json --metadata
documented
for part in tokenizer tensors.0 roles.0 types.0 metadata.0 metadata.12; do documented $part; done
wt eval --reference seedling --chunks 1 --tasks tasks.txt --json
documented
documented tasks
wt eval --chunks 1 --json
documented
wt generate -n 2 --json
documented
wt tokenize seedling hello --json --pieces
documented
wt calibrate --chunks 1 -o "$scratch/stats.gguf" --gram "$scratch/gram.gguf" --json
documented
documented tensors.0
wt quantize --type Q4_K_M --dry-run --json
documented
for part in types.0 tensors.0; do documented $part; done
wt compare seedling seedling --json
documented
for part in total tensors.0; do documented $part; done

wt strategy human Q4_K_M --json
documented
documented genes.0
documented genes.2
"$WILDTYPE" strategy human Q4_K_M >"$scratch/q4"
"$WILDTYPE" strategy human Q5_K_M >"$scratch/q5"
wt strategy diff "$scratch/q4" "$scratch/q5" --json
documented
documented genes.0
wt strategy check "$scratch/q4" --chunks 1 --json
documented
documented tensors.0
wt strategy check "$scratch/q4" --chunks 1 --size 10 --json
"$CLI_JSON" "$out" >/dev/null && documented laws.0

command -v groff >/dev/null || {
    echo 'note: no groff here, the man pages were not rendered'
    finish
    exit
}
for page in '' inspect eval generate tokenize calibrate quantize compare strategy evolve runs show export pick explain report watch rules help; do
    wt help --man $page
    expect_status 0
    cp "$out" page.1
    command="groff -man of $page"
    groff -man -Tutf8 -P-cbou -ww -rLL=78n page.1 >"$out" 2>"$err" || fail 'groff failed'
    expect_silent err
    expect_out 'NAME'
    rm page.1
done
finish
