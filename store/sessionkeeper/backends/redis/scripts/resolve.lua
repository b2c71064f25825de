--@use keys lookup
-- What became of an operation, once and for all: no epoch given before is heard any more.
-- ARGV: 1 an epoch nobody has, 2 the operation's number, 3 its place.
if call('EXISTS', WRITER) == 0 then return { 'OK', -1 } end
call('HSET', WRITER, 'epoch', ARGV[1])
local found = lookup(ARGV[2], ARGV[3])
return { 'OK', found[1] }
