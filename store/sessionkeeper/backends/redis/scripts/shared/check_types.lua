-- A script that fails at a line leaves what it wrote before. So each looks first at the kinds of
-- the keys it writes to: where one holds something else, it is stopped before it has any effect.
local function sound()
  for _, key in ipairs({ ORDER, IDLE, AGES, ENDED }) do call('ZCARD', key) end
  call('HLEN', META)
  call('HLEN', PRINCIPALS)
  call('ZCARD', DUE) --@ttl
  call('HLEN', KEPT) --@ttl
end
