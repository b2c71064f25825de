-- The fields of a session's hash. Missing fields are `false`.
local FIELDS = { 'n', 'r', 'c', 'a', 'e', 's', 'p', 'd', 'x', 'q', 'k', 'z', 't', 'o', 'u', 'g', 'i', 'w', 'j', 'v' }

-- Return a whole session: `raw` for the client, the other fields for the rules. Returns nil if there is
-- none, or if it belongs to another principal than `scope` ('' for any). The second result tells
-- whether there is none.
local function find(key, scope)
  local raw = call('HMGET', key, unpack(FIELDS))
  if not raw[1] then return nil, true end
  if scope ~= '' and raw[7] ~= scope then return nil, false end
  return {
    raw = raw, key = key, number = raw[1], revision = raw[2], ended = raw[5], state = raw[6],
    principal = raw[7], last = tonumber(raw[10]), count = tonumber(raw[11]),
    bytes = tonumber(raw[12]), total = tonumber(raw[13]), agreed = raw[14],
    expires = raw[18], indexed = raw[19], removed = raw[20] and tonumber(raw[20]),
  }
end

-- Return the incarnation of a session; one that was stored without has it from its number.
local function incarnation_of(row)
  return row.raw[17] or string.format('%016x', tonumber(row.number))
end

-- Return the part of a session that an append needs.
local function find_log(key, scope)
  local raw = call('HMGET', key, 'r', 'e', 's', 'p', 'q', 'k', 'z', 't', 'j', 'v')
  if not raw[1] or (scope ~= '' and raw[4] ~= scope) then return nil end
  return {
    key = key, revision = raw[1], ended = raw[2], state = raw[3], last = tonumber(raw[5]),
    count = tonumber(raw[6]), bytes = tonumber(raw[7]), total = tonumber(raw[8]), indexed = raw[9],
    removed = raw[10] and tonumber(raw[10]),
    principal = raw[4], --@ttl
  }
end

-- Whether a session is still what a caller's function saw: its revision, the end and counts of its log,
-- and its content. The content counts because the revision may be a prediction, or lost and used again.
local function is_unchanged(row, mark)
  local revision, last, count, odd, gaps, digest =
    string.match(mark, '^(%d+):(%d+):(%d+):(%d+):(%d+):(%x*)$')
  if revision ~= row.revision or tonumber(last) ~= row.last or tonumber(count) ~= row.count then
    return false
  end
  local held = call('HMGET', row.key, 's', 'p', 'd', 'x', 'u', 'g', 'w')
  if tonumber(odd) ~= tonumber(held[5] or 0) or tonumber(gaps) ~= tonumber(held[6] or 0) then return false end
  if digest == '' then return true end
  local text = table.concat({ held[1], held[2] or '', held[3], held[4] or '', held[7] or '' }, '\0')
  return digest == redis.sha1hex(text)
end

-- Return the encoded id at the end of a key, as in the sorted sets.
local function id_of(key) return string.match(key, '}:s:(.+)$') end

local function key_of(id) return string.match(META, '^{.-}') .. ':s:' .. id end

local function log_of(id) return string.match(META, '^{.-}') .. ':l:' .. id end

local function index_of(id) return string.match(META, '^{.-}') .. ':i:' .. id end

local function removed_of(id) return string.match(META, '^{.-}') .. ':r:' .. id end
