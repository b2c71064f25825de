--@use keys lookup
-- From now on only this epoch of the writer is heard. ARGV: 1 epoch, 2 milliseconds a ledger is kept,
-- 3 the number the next operation has, then numbers of operations and their places, to look up.
-- Answers NEW for OK where the writer had no ledger here, or has none any more.
-- A server that is full lets a script go on that began with a write that takes no memory. What makes
-- room needs an epoch as well; what does not, is refused by itself.
call('HDEL', WRITER, 'none')
call('HSET', WRITER, 'epoch', ARGV[1])
local new = call('HSETNX', WRITER, 'first', ARGV[3]) == 1
call('PEXPIRE', WRITER, ARGV[2])
local answer = { new and 'NEW' or 'OK' }
for i = 4, #ARGV, 2 do answer[#answer + 1] = lookup(ARGV[i], ARGV[i + 1]) end
return answer
