-- Frames whose content was removed. An entry of a log cannot be changed, so it is deleted, and a sorted set
-- beside the log tells what is left of the frame, by its number: the number, how many bytes its message
-- had, the sum `c` of its entry, and a header without content, with colons in between. The field `v` of
-- the session's hash tells that there is such a set, and how many bytes of the log they had. For logs
-- without such frames no command is added.

-- Call a command on a sorted set beside a log. Calls of this come before the first write: a key of another
-- type, or one that may be on the other node of its moving slot, stops the script here.
local function call_beside(...)
  local answer = redis.pcall(...)
  if type(answer) ~= 'table' or not answer.err then return answer end
  if not string.find(answer.err, 'non local key', 1, true) then error(answer) end
  error({ err = 'TRYAGAIN the slot is moving, in script: removed' })
end

-- Return the removed frames of a session from one number to another, in order, at most `limit` if given.
local function removed_frames(row, first, last, limit)
  if not row.removed then return {} end
  local range = { removed_of(id_of(row.key)), string.format('%.0f', first), string.format('%.0f', last) }
  if limit then
    for _, each in ipairs({ 'LIMIT', 0, limit }) do range[#range + 1] = each end
  end
  local found = call_beside('ZRANGEBYSCORE', unpack(range))
  for i, member in ipairs(found) do
    local seq, size, sum, header = string.match(member, '^(%d+):(%d+):(%d+):(.*)$')
    found[i] = { seq = tonumber(seq), size = tonumber(size), sum = tonumber(sum), header = header }
  end
  return found
end

-- Return how many bytes removed frames had.
local function bytes_of(removed)
  local size = 0
  for _, each in ipairs(removed) do size = size + each.size end
  return size
end

local function number_of(entry) return tonumber(string.match(entry[1], '^%d+')) end

-- Return entries of a log and removed frames together, in order, the latter as entries without content.
local function with_removed(entries, removed)
  if #removed == 0 then return entries end
  local merged, at = {}, 1
  for _, each in ipairs(removed) do
    while entries[at] and number_of(entries[at]) < each.seq do
      merged[#merged + 1] = entries[at]
      at = at + 1
    end
    local fields = { 'c', string.format('%.0f', each.sum), 'h', each.header, 'm', '' }
    merged[#merged + 1] = { string.format('%.0f-0', each.seq), fields, removed = true }
  end
  for i = at, #entries do merged[#merged + 1] = entries[i] end
  return merged
end
