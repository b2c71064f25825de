--@use keys clock | rows changes counters check_types removed repair ttl_index expire_ttl
-- Enable the change feed. ARGV: 1 time, 2 microseconds. Answers 1 if it was not enabled any more.
local wall = read_clock(ARGV[1])
local before = call('HGET', META, 'watched')
call('HDEL', META, 'none') -- lets a full server allow what follows, as in `fence.lua`
call('HSET', META, 'watched', wall + tonumber(ARGV[2]))
expire_due() -- watchers must see expiry even if nobody writes --@ttl
return (not before or tonumber(before) < wall) and 1 or 0
