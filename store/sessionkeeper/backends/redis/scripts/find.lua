--@use keys clock rows changes counters check_types repair | ttl_index expire_ttl
-- Find a page of sessions. ARGV: 1 the creation number to start after, 2 limit, 3 how many more may be
-- read, 4 states and 5 transports, each with commas on both sides or '', 6 principal or '', 7-8 created
-- and 9-10 active from and before or '', 11 the number of tags of which one must be there, those tags,
-- then the tags that must all be there.
if expire_due() then return MORE end --@ttl
local last, limit, looks = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local any, all = {}, {}
for i = 12, 11 + tonumber(ARGV[11]) do any[ARGV[i]] = true end
for i = 12 + tonumber(ARGV[11]), #ARGV do all[#all + 1] = ARGV[i] end
local needs_fields = ARGV[5] ~= '' or next(any) ~= nil or #all > 0

local function is_between(value, from, before)
  return (from == '' or tonumber(value) >= tonumber(from))
    and (before == '' or tonumber(value) < tonumber(before))
end

local function has_tags(tags)
  local has, one = {}, next(any) == nil
  for _, tag in ipairs(tags or {}) do
    has[tag] = true
    one = one or any[tag] == true
  end
  for _, tag in ipairs(all) do
    if not has[tag] then return false end
  end
  return one
end

local function matches(row)
  local raw = row.raw
  if ARGV[4] ~= '' and not string.find(ARGV[4], ',' .. row.state .. ',', 1, true) then return false end
  if not is_between(raw[3], ARGV[7], ARGV[8]) or not is_between(raw[4], ARGV[9], ARGV[10]) then return false end
  if not needs_fields then return true end
  local fields = cjson.decode(raw[8])
  local transport = ',' .. fields.transport_type .. ','
  return (ARGV[5] == '' or string.find(ARGV[5], transport, 1, true) ~= nil) and has_tags(fields.tags)
end

local answer, lost = { 'OK', 0, 0 }, {}
local found, looked = 0, 0
local function finish()
  if #lost > 0 then remove_lost(lost, (read_clock(''))) end
  return answer
end

while true do
  local ids = call('ZRANGEBYSCORE', ORDER, '(' .. string.format('%.0f', last), '+inf', 'WITHSCORES',
    'LIMIT', 0, math.min(limit + 1, 128))
  if #ids == 0 then return finish() end
  for i = 1, #ids, 2 do
    if found == limit or looked == looks + limit then
      answer[2], answer[3] = 1, string.format('%.0f', last)
      return finish()
    end
    looked, last = looked + 1, tonumber(ids[i + 1])
    local row, none = find(key_of(ids[i]), ARGV[6])
    if none and is_gone(ids[i]) then lost[#lost + 1] = ids[i] end
    if row and matches(row) then
      found = found + 1
      answer[#answer + 1] = ids[i]
      answer[#answer + 1] = row.raw
    end
  end
end
