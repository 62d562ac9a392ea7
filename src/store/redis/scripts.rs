//! What runs on the server, each in one act and on one key, so that a cluster takes it as it is. Time is the server's.

use redis::Script;

/// All scripts, with their digests.
pub(super) struct Scripts {
    pub(super) take: Text,
    pub(super) pay: Text,
    pub(super) pay_back: Text,
    pub(super) join: Text,
}

/// One script.
pub(super) struct Text {
    pub(super) code: String,
    pub(super) digest: String,
}

/// Microseconds of the server's clock since September 2020, so that doubles hold them with a fraction.
const NOW: &str = "local t = redis.call('TIME')\nlocal now = (t[1] - 1600000000) * 1000000 + t[2]\n";

/// The generic cell rate algorithm. The key holds the moment at which the bucket will be full again.
///
/// ARGV: microseconds per unit, burst, units to charge, units wanted. Gives what was granted, what is left, and
/// microseconds until one more is there.
///
/// A moment further away than an empty bucket and its debts explain comes of a clock that was set back, or of a server
/// that took over: the bucket is empty then, and no more than that.
const TAKE: &str = "\
local each, burst, charged, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local span = each * burst
local full = tonumber(redis.call('GET', KEYS[1]) or '') or 0
if full < now then full = now end
if full > now + 2 * span then full = now + span end
full = full + charged * each
if full < now then full = now end
local there = math.floor((now + span - full) / each + 0.0001)
if there < 0 then there = 0 end
local granted = math.min(there, wanted)
full = full + granted * each
if full > now then
  redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', math.ceil((full - now) / 1000) + 1000)
elseif charged ~= 0 or granted ~= 0 then
  redis.call('DEL', KEYS[1])
end
local left = there - granted
local wait = 0
if left < 1 then wait = math.max(0, math.ceil(full + each - now - span)) end
return {granted, left, wait}
";

/// A guess is paid for. The key holds how many were wrong, when the last one was and the one before it, and since when time
/// has been forgetting those that are left, in milliseconds.
///
/// ARGV: free guesses, longest wait and time to forget one, in milliseconds. Gives the milliseconds to wait; 0: paid.
const PAY: &str = "\
local free, longest, forget = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local ms = math.floor(now / 1000)
local kept = redis.call('HMGET', KEYS[1], 'wrong', 'last', 'since')
local wrong, last = tonumber(kept[1] or '') or 0, tonumber(kept[2] or '')
local since = math.min(ms, tonumber(kept[3] or '') or last or ms)
local forgotten = math.floor((ms - since) / forget)
if forgotten < wrong then
  wrong, since = wrong - forgotten, since + forgotten * forget
else
  wrong, since = 0, ms
end
if last and wrong >= free then
  local passed = math.max(0, ms - last)
  local wait = math.min(1000 * 2 ^ math.min(wrong - free, 10), longest)
  if passed < wait then return math.ceil(wait - passed) end
end
wrong = wrong + 1
redis.call('HSET', KEYS[1], 'wrong', wrong, 'last', ms, 'before', last or '', 'since', since)
redis.call('PEXPIRE', KEYS[1], math.min((wrong + 1) * forget, 86400000))
return 0
";

/// A wrong guess is taken back, and what it changed of the last one. Of several in flight that is so for one alone, which
/// makes a wait begin earlier or later by as long as they were in flight.
const PAY_BACK: &str = "\
local kept = redis.call('HMGET', KEYS[1], 'wrong', 'before')
if (tonumber(kept[1] or '') or 0) > 0 then redis.call('HINCRBY', KEYS[1], 'wrong', -1) end
if kept[2] then
  if kept[2] == '' then
    redis.call('HDEL', KEYS[1], 'last', 'before')
  else
    redis.call('HSET', KEYS[1], 'last', kept[2])
    redis.call('HDEL', KEYS[1], 'before')
  end
end
return 0
";

/// This gateway is there; gives how many are. ARGV: its name, and for how many microseconds one counts that says nothing.
const JOIN: &str = "\
local span = tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - span)
redis.call('ZREMRANGEBYSCORE', KEYS[1], now + span, '+inf')
redis.call('PEXPIRE', KEYS[1], 60000)
return redis.call('ZCARD', KEYS[1])
";

impl Scripts {
    pub(super) fn new() -> Self {
        Self::with_now(NOW)
    }

    /// `now` is the line that says what time it is.
    fn with_now(now: &str) -> Self {
        let text = |code: &str| {
            let code = format!("{now}{code}");
            let digest = Script::new(&code).get_hash().to_owned();
            Text { code, digest }
        };
        Self { take: text(TAKE), pay: text(PAY), pay_back: text(PAY_BACK), join: text(JOIN) }
    }

    /// The time comes with each call, as its last argument: for tests that turn the hands.
    #[cfg(test)]
    pub(super) fn by_hand() -> Self {
        Self::with_now("local now = tonumber(ARGV[#ARGV])\n")
    }
}
