-- Two orders that only some sessions are in: DUE has the live ones with an `expires_at`, by it, and USED
-- the ended ones by their last activity. A cluster does not check these keys before the script runs. So a
-- script that will write one calls `check_orders` before its first write: that fails while the slot moves,
-- which two keys that never exist tell, and for a key of another type.
local DUE = string.match(META, '^{.-}') .. ':expires'
local USED = string.match(META, '^{.-}') .. ':last-used'

local function check_orders(is_needed)
  if not is_needed then return end
  local moving = redis.pcall('EXISTS', DUE .. ':none', USED .. ':none')
  if type(moving) == 'table' then error({ err = 'TRYAGAIN the slot is moving, in script: orders' }) end
  call('ZCARD', DUE)
  call('ZCARD', USED)
end

-- Move a session in DUE. `moment` is false for none, and for a session that has ended.
local function note_expiry(id, before, moment)
  if moment then
    if moment ~= before then call('ZADD', DUE, moment, id) end
  elseif before then
    call('ZREM', DUE, id)
  end
end

-- Note that a session ended which was active last at that moment. `listed` counts how many of all that
-- ended came into USED: a session that an older library ended did not.
local function note_end(id, state, moment)
  call('ZADD', USED, moment, id)
  call('HINCRBY', META, 'ended:' .. state, 1)
  call('HINCRBY', META, 'listed', 1)
end
