--@use keys rows
-- All sessions of the bucket in order of creation. ARGV: 1 principal.
local answer = { 'OK' }
for _, id in ipairs(call('ZRANGE', ORDER, 0, -1)) do
  local row = find(key_of(id), ARGV[1])
  if row then
    answer[#answer + 1] = id
    answer[#answer + 1] = row.raw
  end
end
return answer
