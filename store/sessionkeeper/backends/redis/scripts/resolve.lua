--@use keys lookup
-- Look up the outcome of an operation for good: writes of earlier epochs are refused from now on.
-- ARGV: 1 an epoch that nobody has, 2 the number of the operation, 3 its place.
if call('EXISTS', WRITER) == 0 then return { 'OK', -1 } end
call('HSET', WRITER, 'epoch', ARGV[1])
local found = look_up(ARGV[2], ARGV[3])
return { 'OK', found[1] }
