--@use keys
-- Raise the version of the store's layout. ARGV: 1 the version. Only for the first bucket.
call('HDEL', META, 'none') -- lets a full server allow what follows, as in `fence.lua`
local layout = string.match(META, '^{.-}') .. ':layout'
if tonumber(call('HGET', layout, 'version')) < tonumber(ARGV[1]) then call('HSET', layout, 'version', ARGV[1]) end
return { 'OK' }
