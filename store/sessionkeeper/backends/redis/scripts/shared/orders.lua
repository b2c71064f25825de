-- Two orders that only some sessions are in: DUE has the live ones with an `expires_at`, by it, and USED
-- the ended ones by their last activity. A cluster does not check these keys before the script runs. So a
-- script that will write one calls `check_orders` before its first write: that fails for a key of another
-- type, and while the slot moves, for a key that is not there may be at the other node.
local DUE = string.match(META, '^{.-}') .. ':expires'
local USED = string.match(META, '^{.-}') .. ':last-used'

-- `is_needed` says whether both will be written. What only adds to USED, as `adds` says, goes on while the
-- slot moves if the key is here: nothing empties it. Two keys that never exist tell that the slot moves.
local function check_orders(is_needed, adds)
  local moving
  if is_needed then
    moving = redis.pcall('EXISTS', DUE .. ':none', USED .. ':none')
  elseif adds then
    moving = redis.pcall('EXISTS', USED)
  else
    return
  end
  if type(moving) == 'table' then error({ err = 'TRYAGAIN the slot is moving, in script: orders' }) end
  if is_needed then call('ZCARD', DUE) end
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
