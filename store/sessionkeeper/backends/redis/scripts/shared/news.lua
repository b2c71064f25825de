-- Who watches from another process reads this stream; it is written while somebody does.
local function announce(id, wall)
  local watched = call('HGET', META, 'watched')
  if watched and tonumber(watched) >= wall then
    call('XADD', NEWS, 'MAXLEN', '~', 10000, '*', 's', id)
  end
end
