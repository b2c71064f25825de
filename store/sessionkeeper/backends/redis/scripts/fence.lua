--@use keys writer
-- From now on only this epoch of the writer is heard. ARGV: 1 epoch, 2 milliseconds a ledger is kept,
-- then numbers of operations and their places. Says whether the writer was known, and of each
-- operation the answer it had; one that had none will never be applied.
local known = call('EXISTS', WRITER)
call('HSET', WRITER, 'epoch', ARGV[1])
call('PEXPIRE', WRITER, ARGV[2])
local answer = { 'OK', known }
for i = 3, #ARGV, 2 do
  local kept = call('HGET', WRITER, ARGV[i + 1])
  local op = kept and cmsgpack.unpack(kept)
  answer[#answer + 1] = op and op[1] == ARGV[i] and op[2] or false
end
return answer
