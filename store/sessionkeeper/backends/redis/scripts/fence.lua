--@use keys lookup
-- From now on only this epoch of the writer is heard. ARGV: 1 epoch, 2 milliseconds a ledger is kept,
-- 3 the number the next operation has, then numbers of operations and their places, to look up.
-- A server that is full lets a script go on that began with a write that takes no memory. What makes
-- room needs an epoch as well; what does not, is refused by itself.
call('HDEL', WRITER, 'none')
call('HSET', WRITER, 'epoch', ARGV[1])
call('HSETNX', WRITER, 'first', ARGV[3])
call('PEXPIRE', WRITER, ARGV[2])
local answer = { 'OK' }
for i = 4, #ARGV, 2 do answer[#answer + 1] = lookup(ARGV[i], ARGV[i + 1]) end
return answer
