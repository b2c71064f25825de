-- The live sessions that have an `expires_at`, by it. A cluster does not check this key before the script
-- runs. So a script that will write it calls `check_expires` before its first write: that fails while the
-- slot moves, which two keys that never exist tell, and for a key of another type.
local DUE = string.match(META, '^{.-}') .. ':expires'

local function check_expires(is_needed)
  if not is_needed then return end
  local moving = redis.pcall('EXISTS', DUE .. ':none', DUE .. ':none2')
  if type(moving) == 'table' then error({ err = 'TRYAGAIN the slot is moving, in script: expiry' }) end
  call('ZCARD', DUE)
end

-- Move a session in that order. `moment` is false for none, and for a session that has ended.
local function note_expiry(id, before, moment)
  if moment then
    if moment ~= before then call('ZADD', DUE, moment, id) end
  elseif before then
    call('ZREM', DUE, id)
  end
end
