-- Remove a session with its log; `check_index` came before. `kind` is the reason, for the counters.
local function remove_session(row, id, kind, wall)
  call('DEL', row.key)
  call('UNLINK', log_of(id))
  if row.indexed then call('UNLINK', index_of(id)) end
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
