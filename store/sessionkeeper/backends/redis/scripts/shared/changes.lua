-- Who watches from another process reads this stream; it is written while somebody does.
local watched

local function announce(id, wall)
  watched = watched or tonumber(call('HGET', META, 'watched') or 0)
  -- What is under the key instead of a stream is its reader's to complain of.
  if watched >= wall then redis.pcall('XADD', NEWS, 'MAXLEN', '~', 10000, '*', 's', id) end
end
