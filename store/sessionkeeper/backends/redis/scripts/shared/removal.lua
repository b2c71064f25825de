-- Remove what belongs to a session beside its hash and its place in the orders; `check_beside` came before.
local function remove_log(row, id)
  call('UNLINK', log_of(id))
  if row.indexed then call('UNLINK', index_of(id)) end
  if row.removed then call('UNLINK', removed_of(id)) end
end

-- Remove a session with its log; `check_beside` came before. `kind` is the reason, for the counters.
-- `add_session` in `creation.lua` replaces one that has ended, without this.
local function remove_session(row, id, kind, wall)
  call('DEL', row.key)
  remove_log(row, id)
  call('ZREM', ORDER, id)
  call('ZREM', IDLE, id)
  call('ZREM', AGES, id)
  call('ZREM', ENDED, id)
  if row.expires then call('ZREM', DUE, id) end
  if row.ended then call('ZREM', USED, id) end
  call('ZREM', EXPIRY, id) --@ttl
  call('HDEL', EXPIRY_RECORDS, id) --@ttl
  increment('gone:' .. kind, 1)
  count_out(row.state, row.principal)
  if row.count > 0 then
    increment('removed', row.count)
    increment('bytes', -row.bytes)
  end
  announce_change(id, wall)
end
