-- The time in microseconds, by the wall and by the clock ages are counted with. A test brings its
-- own; else both are the server's, which all processes share.
local function now(given)
  if given ~= '' then
    local wall, steady = string.match(given, '^(.+):(.+)$')
    return tonumber(wall), tonumber(steady)
  end
  local time = call('TIME')
  local micros = time[1] * 1000000 + time[2]
  return micros, micros
end
