-- Scripts that count or make room first remove expired sessions, up to a maximum. If there are more, the
-- script does nothing else and the client sends it again. Only the server decides that a key has
-- expired: the clock of a script may be a little ahead of it. 250 sessions take 2 to 3 milliseconds.
local MAX_EXPIRED = 250

local function expire_due()
  local time = call('TIME')
  local millis = time[1] * 1000 + math.floor(time[2] / 1000)
  local until_now = string.format('%.0f', millis)
  local due, gone = call('ZRANGEBYSCORE', EXPIRY, '-inf', until_now, 'LIMIT', 0, MAX_EXPIRED), {}
  for _, id in ipairs(due) do
    if is_gone(id) then gone[#gone + 1] = id end
  end
  if #gone > 0 then remove_lost(gone, millis * 1000) end
  return #due == MAX_EXPIRED and #gone > 0
end
