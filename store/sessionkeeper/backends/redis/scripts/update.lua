--@use keys now rows writer sound tally news change | net
-- ARGV: 4 now, 5 principal, 6 most metadata, then for each session what it is to be. All or none.
if fenced() then return FENCED end
local most = tonumber(ARGV[6])
local rows, news = {}, {}
for i = 1, #KEYS - PAIRS do
  local at = 7 + (i - 1) * WANTED
  local row = find(KEYS[PAIRS + i], ARGV[5])
  if not row then return { 'MISSING', i } end
  rows[i], news[i] = row, wanted(at)
  local no = refusal(row, news[i], most)
  if no then
    no[#no + 1] = i
    return no
  end
end
sound()
local wall, steady = now(ARGV[4])
local answer = { 'OK' }
for i, row in ipairs(rows) do
  change(row, ARGV[7 + (i - 1) * WANTED], news[i], wall, steady)
  keep_as_is(row.key, wall) --@ttl
  answer[#answer + 1] = row.state
  answer[#answer + 1] = call('HMGET', row.key, unpack(FIELDS))
end
return done(answer)
