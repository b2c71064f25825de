-- Return a function that tells whether a row matches a query. It is in ARGV from `at` on: states and
-- transports, each with commas on both sides or '', principal or '', created from and before and active
-- from and before, or '', the number of tags of which one must be there, those tags, then the tags that
-- must all be there.
local function make_filter(at)
  local any, all, tags = {}, {}, tonumber(ARGV[at + 7])
  for i = at + 8, at + 7 + tags do any[ARGV[i]] = true end
  for i = at + 8 + tags, #ARGV do all[#all + 1] = ARGV[i] end
  local needs_fields = ARGV[at + 1] ~= '' or next(any) ~= nil or #all > 0

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

  return function(row)
    local raw = row.raw
    if ARGV[at] ~= '' and not string.find(ARGV[at], ',' .. row.state .. ',', 1, true) then return false end
    if ARGV[at + 2] ~= '' and row.principal ~= ARGV[at + 2] then return false end
    if not is_between(raw[3], ARGV[at + 3], ARGV[at + 4]) then return false end
    if not is_between(raw[4], ARGV[at + 5], ARGV[at + 6]) then return false end
    if not needs_fields then return true end
    local fields = cjson.decode(raw[8])
    local transport = ',' .. fields.transport_type .. ','
    return (ARGV[at + 1] == '' or string.find(ARGV[at + 1], transport, 1, true) ~= nil) and has_tags(fields.tags)
  end
end
