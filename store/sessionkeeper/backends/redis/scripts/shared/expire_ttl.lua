-- Whoever counts or makes room takes those first whose moment has passed, so many at most: then
-- nothing else is done, and it is asked again. That a moment has passed is the server's to say, by
-- the key itself: the script's clock may be a little ahead of it. 250 take two or three milliseconds.
local MORE, MOST = { 'MORE' }, 250

local function reap()
  local time = call('TIME')
  local moment = time[1] * 1000 + math.floor(time[2] / 1000)
  local due, gone = call('ZRANGEBYSCORE', DUE, '-inf', string.format('%.0f', moment), 'LIMIT', 0, MOST), {}
  for _, id in ipairs(due) do
    if vanished(id) then gone[#gone + 1] = id end
  end
  if #gone > 0 then bury(gone, moment * 1000) end
  return #due == MOST and #gone > 0
end
