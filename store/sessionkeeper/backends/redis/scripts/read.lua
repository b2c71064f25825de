--@use keys rows
-- ARGV: 1 principal, 2 after, 3 limit or '', 4 '1' for the newest, 5 which session or '': its number
-- and when it was created, for a server that lost what it had gives numbers again; 6 for who watches
-- what the frame of number `after` was shown by when it was read: '+' gone, '-' never there.
local function shown(entry)
  local fields = entry[2]
  return redis.sha1hex(table.concat({ fields[2], fields[4], fields[6] }, '\0'))
end

local row = find(KEYS[9], '')
if not row then return { 'MISSING' } end
local which = row.number .. '-' .. (row.raw[3] or '')
-- Before whose it is: one that went is over, whoever has its id now.
if ARGV[5] ~= '' and ARGV[5] ~= which then return { 'ANOTHER' } end
if ARGV[1] ~= '' and row.principal ~= ARGV[1] then return { 'FOREIGN' } end
local proof, read = '', ARGV[6]
if read ~= '' then
  local after = tonumber(ARGV[2])
  proof = '-'
  if after > 0 and after <= row.last then
    local seq = string.format('%.0f-0', after)
    local entry = call('XRANGE', KEYS[10], seq, seq)[1]
    proof = entry and shown(entry) or '+'
  end
  if read ~= '-' and (proof == '-' or (proof ~= read and proof ~= '+' and read ~= '+')) then
    return { 'REPLACED' }
  end
end
local first = math.max(tonumber(ARGV[2]), row.last - row.count) + 1
local count = math.max(0, row.last - first + 1)
local limit = tonumber(ARGV[3]) or count
if limit < count then
  if ARGV[4] == '1' then first = row.last - limit + 1 end
  count = limit
end
local frames = {}
if count > 0 then
  frames = call('XRANGE', KEYS[10], string.format('%.0f-0', first), '+', 'COUNT', count)
  -- A log that is not whole was lost, by half at least: its numbers stay right, and it is noted.
  local there = frames[1] and tonumber(string.match(frames[1][1], '^%d+'))
  if there ~= first then
    first = there or first
    redis.pcall('HINCRBY', META, 'lost', 1)
  end
end
if read ~= '' and #frames > 0 then proof = shown(frames[#frames]) end
return { 'OK', which, first, row.ended and 1 or 0, frames, proof }
