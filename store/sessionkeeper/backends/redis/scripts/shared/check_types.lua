-- A script that fails at one of its lines keeps what it wrote before. So each script first checks the
-- types of the keys that it writes: a key of another type stops it before it has any effect.
local function check_types()
  for _, key in ipairs({ ORDER, IDLE, AGES, ENDED }) do call('ZCARD', key) end
  call('HLEN', META)
  call('HLEN', PRINCIPALS)
  call('ZCARD', EXPIRY) --@ttl
  call('HLEN', EXPIRY_RECORDS) --@ttl
end
