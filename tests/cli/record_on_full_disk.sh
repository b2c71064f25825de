# Record until the disk is full, or until the file may not grow, and end the session afterwards.
# Arguments: a folder, the interpreter, "limit" for the file. Prints the exit code, the summary, the
# session, what `end --gone` says, and the session again.
set -e
folder=$1
python=$2
limit=$3
keeper="$python -m sessionkeeper"
url="sqlite:///$folder/tape.db"
server='
import sys
line = "{\"jsonrpc\":\"2.0\",\"method\":\"note\",\"params\":[\"" + "x" * 200000 + "\"]}"
for _ in range(40): print(line, flush=True)
sys.exit(3)'
record() { $keeper record --require-store --store "$url" --json -- "$python" -ISc "$server" </dev/null 2>&1 >/dev/null; }

if [ -n "$limit" ]; then
    code=0
    said=$( (ulimit -f 4096; record) ) || code=$?
else
    mount -t tmpfs -o size=6m none "$folder"
    head -c 2000000 /dev/zero >"$folder/ballast"
    code=0
    said=$(record) || code=$?
    rm "$folder/ballast"
fi
echo "$code"
echo "$said" | tail -n 1
$keeper ls "$url" --json
$keeper end "$url" --gone --json || true  # 1 if the end was recorded
$keeper ls "$url" --json
