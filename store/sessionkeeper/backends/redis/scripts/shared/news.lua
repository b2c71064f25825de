-- Who watches from another process reads this stream; it is written while somebody does.
local watched

local function announce(id, wall)
  watched = watched or tonumber(call('HGET', META, 'watched') or 0)
  if watched >= wall then call('XADD', NEWS, 'MAXLEN', '~', 10000, '*', 's', id) end
end
