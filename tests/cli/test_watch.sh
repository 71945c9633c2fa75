# wildtype watch: what it serves, to whom, and that nobody can stall it; a run that is over, one that changes, one that goes on.
source "$(dirname "$0")/lib.sh"
command -v curl >/dev/null || skip 'there is no curl here'
export XDG_CACHE_HOME=$scratch/cache
run=$scratch/run
page=$SOURCE/tests/cli/page.html

cat >"$scratch/rules.yaml" <<'END'
text: {context: 64, calibrate_chunks: 2, search_chunks: 2, holdout_chunks: 2}
constraints: [{axis: bytes, max: 950000}]
types: [TQ1_0, TQ2_0, Q4_0, Q8_0]
population: 3
offspring: 4
budget: {evaluations: 6, minutes: 0}
END
wt evolve --rules "$scratch/rules.yaml" -o "$run"
expect_status 0

# Starts watching $1; $address is where.
start() {
    command="wildtype watch $*"
    set -m
    "$WILDTYPE" watch "$@" --port 0 </dev/null >"$scratch/watch.out" 2>"$scratch/watch.err" &
    watcher=$!
    set +m
    address=
    local i
    for i in $(seq 100); do
        address=$(sed -n 's|.*http://\([0-9.:]*\)/.*|\1|p' "$scratch/watch.out")
        [ -n "$address" ] && break
        sleep 0.1
    done
    port=${address#*:}
    [ -n "$address" ] || fail "it does not say where: $(cat "$scratch/watch.err")"
}
stop() {
    kill -s "${1:-INT}" $watcher
    wait $watcher 2>/dev/null
    status=$?
    cp "$scratch/watch.out" "$out"
    cp "$scratch/watch.err" "$err"
    expect_status 0
    expect_silent err
    expect_out '^watched for [0-9]+ s: [0-9]+ requests, [0-9]+ documents; [0-9.]+ s of processor time, [0-9.]+% of one processor'
}
# The status of a request; headers in $scratch/headers, the body in $out.
ask() {
    command="curl $*"
    : >"$out"
    curl -sS -m 20 --path-as-is -D "$scratch/headers" -o "$out" -w '%{http_code}' "$@" 2>"$err"
}
# What HTTP looks like by hand: sends $1, prints the first line of what comes.
by_hand() {
    exec 8<>"/dev/tcp/127.0.0.1/$port"
    printf "$1" >&8
    head -1 <&8 | tr -d '\r'
    exec 8>&-
}
header() { sed -n "s/^$1: //Ip" "$scratch/headers" | tr -d '\r'; }
ticks() { sed 's/.*) //' "/proc/$watcher/stat" | awk '{ print $12 + $13 }'; }

# All files, but those that SQLite makes for whoever reads.
files() { (cd "$run" && ls -l --ignore='run.db-*' | grep -v '^total' && sha256sum run.db); }
before=$(files)
start "$run" --page "$page"
expect_equal 'the address' 127.0.0.1 "${address%:*}"
expect_equal 'where it listens' "0100007F:$(printf %04X "$port")" "$(awk -v p=":$(printf %04X "$port")" '$4 == "0A" && index($2, p) { print $2 }' /proc/net/tcp)"

# ---- the page and its data ----
expect_equal 'the page' 200 "$(ask "http://$address/")"
expect_out '<script type="application/json" id="wildtype-data">\{"format":"wildtype-report"'
expect_equal 'its type' 'text/html; charset=utf-8' "$(header Content-Type)"
expect_equal 'its policy' "default-src 'none'; script-src 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='; style-src 'sha256-FcQqt3aNlV7AZnGV4zkQRVeCeJOxbMPnQSx258L803E='; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'" "$(header Content-Security-Policy)"
expect_equal 'the data' 200 "$(ask "http://$address/data.json")"
expect_json
expect_equal 'its type' 'application/json; charset=utf-8' "$(header Content-Type)"
expect_equal 'no guessing' nosniff "$(header X-Content-Type-Options)"
expect_equal 'for nobody else' same-origin "$(header Cross-Origin-Resource-Policy)"
cp "$out" "$scratch/data"
"$WILDTYPE" report "$run" --format json >"$scratch/document"
cmp -s "$scratch/data" <(head -c -1 "$scratch/document") || fail 'the data are not the document'
tag=$(header ETag)
expect_number 'a tag' "$(printf %s "$tag" | wc -c) == 34"
expect_equal 'nothing new' 304 "$(ask -H "If-None-Match: $tag" "http://$address/data.json")"
expect_equal 'and no body' 0 "$(stat -c %s "$out")"
expect_equal 'of a list' 304 "$(ask -H "If-None-Match: \"x\", $tag" "http://$address/data.json")"
expect_equal 'of any' 304 "$(ask -H 'If-None-Match: *' "http://$address/data.json")"
expect_equal 'another tag' 200 "$(ask -H 'If-None-Match: "x"' "http://$address/data.json")"
expect_equal 'HEAD' 200 "$(ask -I "http://$address/data.json")"
expect_equal 'its length' "$(stat -c %s "$scratch/data")" "$(header Content-Length)"
expect_equal 'by name' 200 "$(ask -H "Host: localhost:$port" "http://$address/")"
expect_equal 'with a query' 200 "$(ask "http://$address/data.json?x=1")"

# ---- what is refused ----
for method in POST PUT DELETE PATCH OPTIONS TRACE PROPFIND; do
    expect_equal "$method" 405 "$(ask -X $method "http://$address/data.json")"
    expect_equal "what may be asked ($method)" 'GET, HEAD' "$(header Allow)"
done
expect_equal 'POST of something' 405 "$(ask -d x=1 "http://$address/")"
head -c 2000000 /dev/zero >"$scratch/zeros"
got=$(ask -H 'Expect:' -T "$scratch/zeros" "http://$address/data.json")
expect_number 'PUT of much: refused, or cut off while it is sent' "$got == 405 || $got == 0"
for path in /run.db /data.json/ /data /index.html // /../run.db /../../../../etc/passwd /%2e%2e/run.db /..%2f..%2frun.db '/data.json%2f' /favicon.ico /DATA.JSON; do
    expect_equal "$path" 404 "$(ask "http://$address$path")"
    expect_no_out 'SQLite|root:'
done
for host in evil.example "evil.example:$port" 127.0.0.1 "127.0.0.1:1" localhost "localhost.evil.example:$port" "[::1]:$port" "127.0.0.1:$port.evil.example" ''; do
    got=$(ask -H "Host: $host" "http://$address/data.json")
    [ "$got" = 403 ] || [ "$got" = 400 ] || fail "host '$host' gets $got"
    checks=$((checks + 1))
    expect_no_out 'wildtype-report'
done
expect_equal 'no host' 'HTTP/1.0 403 Forbidden' "$(by_hand 'GET / HTTP/1.0\r\n\r\n' | sed 's/HTTP\/1.1/HTTP\/1.0/')"
expect_equal 'two hosts' 'HTTP/1.1 403 Forbidden' "$(by_hand "GET / HTTP/1.1\r\nHost: $address\r\nHost: evil.example\r\n\r\n")"
long=$(by_hand "GET /$(printf 'x%.0s' $(seq 30000)) HTTP/1.1\r\nHost: $address\r\n\r\n" 2>/dev/null | cut -c1-10)
expect_equal 'a long line (refused, or cut off)' 'HTTP/1.1 4' "${long:-HTTP/1.1 4}"
by_hand '\0\1\2\r\n\r\n' >/dev/null 2>&1
expect_equal 'after all that' 200 "$(ask "http://$address/data.json")"
command='wildtype watch (the port is taken)'
"$WILDTYPE" watch "$run" --port "$port" >"$out" 2>"$err" </dev/null
status=$?
expect_error "cannot listen on 127.0.0.1:$port: "

expect_equal 'the run is as it was' "$before" "$(files)"

# ---- nobody looks: nothing is done ----
sleep 0.3
used=$(ticks)
sleep 1.5
expect_equal 'processor time while nobody looks' "$used" "$(ticks)"

# ---- slow clients ----
# One that never ends its request, and one that sends a byte now and then: both are cut off, and others do not notice.
exec 7<>"/dev/tcp/127.0.0.1/$port"
printf 'GET / HT' >&7
(
    exec 6<>"/dev/tcp/127.0.0.1/$port"
    trap '' PIPE
    printf 'GET / HTTP/1.1\r\nX: ' >&6
    for i in $(seq 100); do
        printf x >&6 2>/dev/null || exit 0
        read -r -t 0.3 -u 6 line && exit 0
        [ $? -gt 128 ] || exit 0
    done
    exit 1
) 2>/dev/null &
dripping=$!
# Those who ask and never read.
exec 5<>"/dev/tcp/127.0.0.1/$port"
printf 'GET /data.json HTTP/1.1\r\nHost: %s\r\n\r\n' "$address" >&5
expect_equal 'beside slow ones' 200 "$(ask -m 3 "http://$address/data.json")"
# So many that all places are taken: they are cut off sooner.
(
    for i in $(seq 100); do
        eval "exec $((i + 20))<>/dev/tcp/127.0.0.1/$port" 2>/dev/null
        eval "printf 'GET ' >&$((i + 20))" 2>/dev/null
    done
    touch "$scratch/crowded"
    sleep 8
) 2>/dev/null &
crowd=$!
for i in $(seq 50); do [ -e "$scratch/crowded" ] && break; sleep 0.1; done
expect_equal 'beside a hundred slow ones' 200 "$(ask -m 6 "http://$address/data.json")"
expect_equal 'and once more' 200 "$(ask -m 6 "http://$address/data.json")"
kill $crowd 2>/dev/null
wait $crowd 2>/dev/null
command='a client that sends a byte now and then'
wait $dripping
expect_equal 'is cut off' 0 $?
command='a client that never ends its request'
checks=$((checks + 1))
timeout 20 cat <&7 >/dev/null || fail 'is not cut off'
exec 7>&- 5>&-

# ---- the store changes ----
ask "http://$address/data.json" >/dev/null
tag=$(header ETag)
"$CLI_STORE" "$run" seed 77
code=
for i in $(seq 60); do
    code=$(ask -H "If-None-Match: $tag" "http://$address/data.json")
    [ "$code" = 200 ] && break
    sleep 0.1
done
expect_equal 'news' 200 "$code"
expect_equal 'the news' 77 "$(json run.seed)"
stop
expect_number 'documents: no more than the changes' "$(sed -n 's/.* requests, \([0-9]*\) documents.*/\1/p' "$out") <= 4"
"$CLI_STORE" "$run" seed 1
start "$run" --page "$page"
stop TERM

# ---- while a run goes on ----
sed -i 's/evaluations: 6/evaluations: 100000/' "$scratch/rules.yaml"
"$WILDTYPE" evolve --rules "$scratch/rules.yaml" -o "$scratch/going" --quiet </dev/null >"$scratch/going.out" 2>&1 &
process=$!
for i in $(seq 300); do
    [ -e "$scratch/going/run.db" ] && "$WILDTYPE" runs "$scratch/going" --json >"$out" 2>/dev/null && [ "$(json runs.0.generations 2>/dev/null || echo 0)" != 0 ] && break
    sleep 0.1
done
spent() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print ($12 + $13) / 100 }'; }
start "$scratch/going" --page "$page"
before=$(spent $process)
expect_equal 'a run that goes on' 200 "$(ask "http://$address/data.json")"
expect_equal 'says so' true "$(json run.running)"
first=$(json --count individuals.id) tag=$(header ETag)
code=
for i in $(seq 100); do
    code=$(ask -H "If-None-Match: $tag" "http://$address/data.json")
    [ "$code" = 200 ] && break
    sleep 0.2
done
expect_equal 'news of it' 200 "$code"
expect_number 'more individuals' "$(json --count individuals.id) > $first"
expect_equal 'its stage' searching "$(json run.stage)"
sleep 2
kill -0 $process 2>/dev/null || fail 'the run did not survive being watched'
ask "http://$address/data.json" >/dev/null
took=$(spent $process)
kill -s KILL $process
wait $process 2>/dev/null
# Another process goes on with it: what the first one took is not forgotten.
"$WILDTYPE" evolve --resume "$scratch/going" --quiet </dev/null >"$scratch/going.out" 2>&1 &
process=$!
for i in 1 2 3 4; do
    sleep 1
    ask "http://$address/data.json" >/dev/null
done
stop
expect_out '% of the [0-9.]+ s that the run took meanwhile'
told=$(sed -n 's/.*% of the \([0-9.]*\) s that the run took meanwhile.*/\1/p' "$out")
expect_number 'the time of both processes' "$told > $took - $before + 0.5"
kill -s KILL $process
wait $process 2>/dev/null

# ---- a run that has its verdict goes on again ----
stage() { wt report "$scratch/again" --format json; json run.stage; }
cp -r "$run" "$scratch/again"
expect_equal 'a run with its verdict' judged "$(stage)"
"$WILDTYPE" evolve --resume "$scratch/again" --evaluations 100000 --quiet </dev/null >"$scratch/again.out" 2>&1 &
process=$!
for i in $(seq 300); do
    [ "$(stage)" = searching ] && break
    sleep 0.1
done
expect_equal 'when it goes on' searching "$(stage)"
stage >/dev/null
expect_equal 'its sentence' 1 "$(json sentence | grep -c '^The run has been resumed, and its earlier verdict will be replaced: ')"
kill -s KILL $process
wait $process 2>/dev/null
expect_equal 'when it was killed' stopped "$(stage)"
stage >/dev/null
expect_equal 'its sentence' 1 "$(json sentence | grep -c '^The run was resumed, and stopped before its new verdict: ')"

# ---- what is no run ----
wt watch "$scratch"
expect_error "there is no run in '$scratch'"
wt watch
expect_usage_error 'which run is not said'
wt watch "$run" --port 70000
expect_usage_error ".*--port"
wt watch "$run" --page "$scratch/rules.yaml"
expect_error "cannot use '.*rules.yaml' as the page"
finish
