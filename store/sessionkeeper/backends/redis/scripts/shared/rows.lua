-- A session as its hash holds it. Fields that are not there are `false`.
local FIELDS = { 'n', 'r', 'v', 'c', 'a', 'e', 's', 'p', 'd', 'x', 'q', 'k', 'z', 't', 'o' }

-- All of a session, as the client reads it and as the rules do; or nil where there is none, or
-- where it is not the principal's who asks ('' asks for nobody).
local function find(key, scope)
  local raw = call('HMGET', key, unpack(FIELDS))
  if not raw[1] or (scope ~= '' and raw[8] ~= scope) then return nil end
  return {
    raw = raw, key = key, number = raw[1], revision = raw[2], version = raw[3], ended = raw[6],
    state = raw[7], principal = raw[8], last = tonumber(raw[11]), count = tonumber(raw[12]),
    bytes = tonumber(raw[13]), total = tonumber(raw[14]), agreed = raw[15],
  }
end

-- The end of a key: the encoded id, which the sorted sets hold.
local function id_of(key) return string.match(key, '}:s:(.+)$') end

local function key_of(id) return string.match(META, '^{.-}') .. ':s:' .. id end

local function log_of(id) return string.match(META, '^{.-}') .. ':l:' .. id end
