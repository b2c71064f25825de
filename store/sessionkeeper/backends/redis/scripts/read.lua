--@use keys rows headers removed streams
-- Read frames. ARGV: 1 principal, 2 after, 3 limit or '', 4 '1' for the newest, 5 the session or '': its
-- number and its first time of creation, because a server that lost data uses numbers again; 6 for a watcher
-- the proof of frame `after` from the time it was read: its digest, '+' removed, '-' never there; 7 before
-- or ''; 8 the incarnation that the session must have, or ''; 9 the stream, after its length, where
-- only its frames are read.
local function proof_of(entry)
  if entry.removed then return '+' end
  local fields = entry[2]
  return redis.sha1hex(table.concat({ fields[2], fields[4], fields[6] }, '\0'))
end

local row = find(KEYS[9], '')
if not row then return { 'MISSING' } end
if ARGV[8] ~= '' and ARGV[8] ~= incarnation_of(row) then return { 'MISSING' } end
local session = row.number .. '-'
-- Only a watcher needs the rest. `b` is there if an archive gave it another time.
if ARGV[6] ~= '' then session = session .. (call('HGET', KEYS[9], 'b') or row.raw[3] or '') end
-- Before the principal: a session that was removed is over, whoever has its id now.
if ARGV[5] ~= '' and ARGV[5] ~= session then return { 'ANOTHER' } end
if ARGV[1] ~= '' and row.principal ~= ARGV[1] then return { 'FOREIGN' } end
local proof, earlier = '', ARGV[6]
if earlier ~= '' then
  local after = tonumber(ARGV[2])
  proof = '-'
  if after > 0 and after <= row.last then
    local seq = string.format('%.0f-0', after)
    local entry = call('XRANGE', KEYS[10], seq, seq)[1]
    proof = entry and proof_of(entry) or '+'
  end
  if earlier ~= '-' and (proof == '-' or (proof ~= earlier and proof ~= '+' and earlier ~= '+')) then
    return { 'REPLACED' }
  end
end
local first = math.max(tonumber(ARGV[2]), row.last - row.count) + 1
local last, bound = row.last, '+'
if ARGV[7] ~= '' and tonumber(ARGV[7]) <= last then
  last = tonumber(ARGV[7]) - 1
  bound = string.format('%.0f-0', last) -- for a log of which a part was lost
end
local count = math.max(0, last - first + 1)
local limit = tonumber(ARGV[3]) or count
if ARGV[9] then
  local frames = {}
  for _, seq in ipairs(stream_numbers(KEYS[10], row, ARGV[9], first, last, limit, ARGV[4] == '1')) do
    local id = string.format('%.0f-0', seq)
    local found = call('XRANGE', KEYS[10], id, id)
    if #found == 0 then found = with_removed(found, removed_frames(row, seq, seq)) end
    frames[#frames + 1] = found[1] -- if it was lost, nothing
  end
  if earlier ~= '' and #frames > 0 then proof = proof_of(frames[#frames]) end
  return { 'OK', session, first, row.ended and 1 or 0, frames, proof }
end
if limit < count then
  if ARGV[4] == '1' then first = last - limit + 1 end
  count = limit
end
local frames = {}
if count > 0 then
  frames = call('XRANGE', KEYS[10], string.format('%.0f-0', first), bound, 'COUNT', count)
  if row.removed then
    local up_to = #frames == count and number_of(frames[count]) or last
    frames = with_removed(frames, removed_frames(row, first, up_to, count))
    for i = #frames, count + 1, -1 do frames[i] = nil end
  end
  -- A part of this log was lost. The numbers stay right, and the loss is noted.
  local there = frames[1] and number_of(frames[1])
  local is_whole = not row.removed or (#frames == count and number_of(frames[count]) == first + count - 1)
  if there ~= first or not is_whole then
    first = there or first
    redis.pcall('HINCRBY', META, 'lost', 1)
  end
end
if earlier ~= '' and #frames > 0 then proof = proof_of(frames[#frames]) end
-- Where frames were removed, each tells its number.
return { 'OK', session, row.removed and -1 or first, row.ended and 1 or 0, frames, proof }
