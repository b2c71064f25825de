-- Watchers in other processes read this stream. It is written only while somebody watches.
local watched

local function announce_change(id, wall)
  watched = watched or tonumber(call('HGET', META, 'watched') or 0)
  -- A key of another type is an error for its reader, not for this write.
  if watched >= wall then redis.pcall('XADD', CHANGES, 'MAXLEN', '~', 10000, '*', 's', id) end
end
