-- Return the time in microseconds, by the wall clock and by the clock for ages. A test gives its own;
-- otherwise both are the server's clock, which all processes share.
local function read_clock(time_of_test)
  if time_of_test ~= '' then
    local wall, steady = string.match(time_of_test, '^(.+):(.+)$')
    return tonumber(wall), tonumber(steady)
  end
  local time = call('TIME')
  local micros = time[1] * 1000000 + time[2]
  return micros, micros
end
