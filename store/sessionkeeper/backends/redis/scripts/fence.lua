--@use keys lookup
-- Begin a new epoch of a writer: writes of earlier epochs are refused from now on. ARGV: 1 epoch,
-- 2 milliseconds to keep the writer log, 3 number of the next operation, then the numbers and places of
-- operations to look up. Answers NEW instead of OK if the writer had no log here.
-- A full server lets a script go on that began with a write without memory. Operations that free memory
-- need an epoch as well; the others are refused by themselves.
call('HDEL', WRITER, 'none')
call('HSET', WRITER, 'epoch', ARGV[1])
local new = call('HSETNX', WRITER, 'first', ARGV[3]) == 1
call('PEXPIRE', WRITER, ARGV[2])
local answer = { new and 'NEW' or 'OK' }
for i = 4, #ARGV, 2 do answer[#answer + 1] = look_up(ARGV[i], ARGV[i + 1]) end
return answer
