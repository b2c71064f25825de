--@use keys rows writer check_types counters headers removed | clock ttl_index
-- Remove the content of frames. ARGV: 5 principal, 6 the detail of a removed frame without a stream, 7
-- the incarnation that the session must have, or '', from 8 the numbers, in order.
if is_fenced() then return FENCED end
if not is_applied(ARGV[#ARGV]) then return BEHIND end
local row = find(KEYS[9], ARGV[5])
if not row then return { 'MISSING' } end
if ARGV[7] ~= '' and ARGV[7] ~= incarnation_of(row) then return { 'MISSING' } end
local numbers = #ARGV - 1
if numbers > 7 and tonumber(ARGV[numbers]) > row.last then return { 'UNKNOWN' } end
local log, key, first = KEYS[10], removed_of(id_of(row.key)), row.last - row.count + 1
local media_type = cmsgpack.unpack(ARGV[6])[4]

local function is_removed(message, detail)
  if message ~= '' or not detail then return false end
  local kind = string.byte(detail)
  return (kind == 0x95 or kind == 0x96) and cmsgpack.unpack(detail)[4] == media_type
end

-- Return a header with the direction and the time of another, and its stream if it has one.
local function header_left(header, at, detail)
  local stream, left = stream_in(detail), ARGV[6]
  if stream then left = string.char(0x96) .. string.sub(left, 2) .. cmsgpack.pack(stream) end
  local size = #left
  local bin = size < 256 and string.char(0xc4, size) or string.char(0xc5, math.floor(size / 256), size % 256)
  return string.sub(header, 1, at - 1) .. bin .. left
end

local members, entries, freed = {}, {}, 0
for i = 8, numbers do
  local seq = tonumber(ARGV[i])
  local id = string.format('%.0f-0', seq)
  local entry = seq >= first and call('XRANGE', log, id, id)[1]
  if entry then
    local sum, header, message = entry[2][2], entry[2][4], entry[2][6]
    local at, detail = detail_in(header)
    if not is_removed(message, detail) then
      members[#members + 1] = string.format('%.0f', seq)
      members[#members + 1] = string.format('%.0f:%d:%s:', seq, #message, sum) .. header_left(header, at, detail)
      entries[#entries + 1] = id
      freed = freed + #message
    end
  end
end
if #entries > 0 then
  check_types()
  -- First, as a server without memory refuses a script whose first write may need some.
  if row.removed then
    call_beside('ZCARD', key)
    call('HDEL', META, 'none')
  else
    call_beside('DEL', key) -- of a session that was lost
  end
  for from = 1, #members, 1000 do call('ZADD', key, unpack(members, from, math.min(from + 999, #members))) end
  for from = 1, #entries, 1000 do call('XDEL', log, unpack(entries, from, math.min(from + 999, #entries))) end
  call('HSET', row.key, 'z', row.bytes - freed, 'v', (row.removed or 0) + freed)
  increment('bytes', -freed)
  increment('emptied', #entries)
  schedule_expiry_of(row.key, (read_clock(ARGV[4]))) --@ttl
end
return record({ 'OK', #entries })
