--@use keys clock | rows changes counters check_types repair ttl_index expire_ttl
-- Say that somebody watches. ARGV: 1 now, 2 for so many microseconds. Answers whether it had lapsed.
local wall = now(ARGV[1])
local before = call('HGET', META, 'watched')
call('HDEL', META, 'none') -- so that a full server allows what follows, as in `fence.lua`
call('HSET', META, 'watched', wall + tonumber(ARGV[2]))
reap() -- so that who watches hears of it, though nobody else be there --@ttl
return (not before or tonumber(before) < wall) and 1 or 0
