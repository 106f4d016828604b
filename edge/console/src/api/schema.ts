// Written by script/types.mjs from docs/openapi-admin.json and docs/openapi.json: do not edit.

export type Error = {
  error: {
    message: string;
    type: string;
    param: string | null;
    code: string | null;
  };
};

export type Totals = {
  served: number;
  prompt_tokens: number;
  completion_tokens: number;
  cost: number;
};

export type Storage = {
  calls?: number;
  rows_read?: number;
  rows_written?: number;
};

export type CreateKey = {
  /** at most 128 bytes without control characters and marks that cannot be seen */
  name?: string;
  /** the name of a plan */
  plan?: string;
  account?: string;
  /** other numbers for limits, by their names */
  overrides?: Record<string, number>;
  /** limits of its own, as a plan has them */
  limits?: Array<Record<string, unknown>>;
  scopes?: Array<"chat" | "completions" | "models" | "images" | "tokens" | "embeddings"> | null;
  models?: Array<string> | null;
  /** addresses or ranges, such as 203.0.113.0/24 and 2001:db8::/32 */
  addresses?: Array<string>;
  expires_at?: number | null;
  metadata?: Record<string, string>;
};

export type CreateKeys = {
  keys: Array<CreateKey>;
};

export type ChangeKey = {
  /** at most 128 bytes without control characters and marks that cannot be seen */
  name?: string;
  /** the name of a plan */
  plan?: string;
  disabled?: boolean;
  /** other numbers for limits, by their names */
  overrides?: Record<string, number>;
  /** limits of its own, as a plan has them */
  limits?: Array<Record<string, unknown>>;
  scopes?: Array<"chat" | "completions" | "models" | "images" | "tokens" | "embeddings"> | null;
  models?: Array<string> | null;
  addresses?: Array<string> | null;
  expires_at?: number | null;
  metadata?: Record<string, string>;
};

export type RotateKey = {
  /** such as 0s, 1h or 7d; at most 31 days */
  overlap?: string;
};

export type Nothing = Record<string, never>;

export type CreatedKey = {
  id: string;
  account: string;
  /** the secret: shown once */
  key: string;
  name: string;
  plan: string;
  /** milliseconds since 1970 */
  created_at: number;
  /** milliseconds since 1970 */
  expires_at?: number;
};

export type CreatedKeys = {
  data: Array<CreatedKey | Error>;
};

export type RotatedKey = {
  id: string;
  /** the new secret: shown once */
  key: string;
  /** until when the old secret is good, milliseconds since 1970 */
  old_until: number;
};

export type KeyEntry = {
  id: string;
  account: string;
  name: string;
  plan: string;
  /** milliseconds since 1970 */
  created_at: number;
  disabled: boolean;
  /** milliseconds since 1970 */
  expires_at?: number;
};

export type KeyList = {
  data: Array<KeyEntry>;
  next?: string;
  storage: Storage;
};

export type Key = {
  id: string;
  account: string;
  name: string;
  plan: string;
  /** milliseconds since 1970 */
  created_at: number;
  disabled: boolean;
  /** milliseconds since 1970 */
  expires_at?: number;
  version: number;
  /** other numbers for limits, by their names */
  overrides: Record<string, number>;
  /** limits of its own, as a plan has them */
  limits: Array<Record<string, unknown>>;
  scopes: Array<"chat" | "completions" | "models" | "images" | "tokens" | "embeddings">;
  models: Array<string> | null;
  addresses: Array<string>;
  metadata: Record<string, string>;
  old_until: Array<number>;
  live_leases: number;
  used: Totals;
  used_by_key: Totals;
  storage?: Storage;
};

export type DeletedKey = {
  id: string;
  deleted: boolean;
};

export type ChangeAccount = {
  /** at most 128 bytes without control characters and marks that cannot be seen */
  name?: string;
  /** at most 128 bytes without control characters and marks that cannot be seen */
  owner?: string;
  disabled?: boolean;
  plan?: string | null;
  /** other numbers for limits, by their names */
  overrides?: Record<string, number>;
};

export type AccountEntry = {
  account: string;
  name: string;
  owner: string;
  plan: string | null;
  disabled: boolean;
  created_at: number | null;
};

export type AccountList = {
  data: Array<AccountEntry>;
  next?: string;
};

export type Account = {
  account: string;
  name: string;
  owner: string;
  plan: string | null;
  disabled: boolean;
  created_at: number | null;
  version: number;
  /** other numbers for limits, by their names */
  overrides: Record<string, number>;
  keys: Array<string>;
  live_leases: number;
  used: Totals;
  used_by_key: Record<string, Totals>;
  storage?: Storage;
  /** how its budgets stand, where it has some */
  budgets?: Array<BudgetStanding>;
  /** what was added to its credits, by the budgets' names */
  credits?: Record<string, Credit>;
  /** the responses that it has asked to be kept; where one account is looked at */
  kept_responses?: {
    count: number;
    bytes: number;
  };
};

export type BudgetStanding = {
  name: string;
  kind: "window" | "bucket" | "parallel" | "budget";
  unit: "requests" | "tokens" | "cost" | "images";
  per: "account" | "key" | "model" | "session" | "user";
  /** of its amounts, if it counts money */
  currency?: string;
  /** of a budget */
  period?: "day" | "week" | "month" | "ever";
  /** by the clocks of which time zone a budget's periods are */
  zone?: string;
  /** of money a decimal */
  limit: number | string;
  window_ms?: number;
  /** of money a decimal */
  used: number | string;
  /** of money a decimal */
  remaining: number | string;
  more_in_ms?: number;
  whole_in_ms?: number;
  /** how often; it is only watched */
  would_have_refused?: number;
};

export type Credit = {
  /** of money a decimal */
  amount: number | string;
  unit: "requests" | "tokens" | "cost" | "images";
  currency?: string;
};

export type AddCredits = {
  /** the name of a budget that lasts for ever */
  limit: string;
  /** above 0: of money a decimal in quotes, of everything else a whole number */
  amount: number | string;
  /** of money */
  currency?: string;
};

export type DeletedAccount = {
  account: string;
  deleted: boolean;
};

/** a plan table: docs/limits.md */
export type Plans = {
  plans: Record<string, unknown>;
};

/** what a plan table makes of the requests that are kept, and what the one in force (`against`) makes of them: docs/replay.md */
export type PlansReplay = {
  kept: ReplayKept;
  lines: ReplayLines;
  /** when the first of the replayed requests was decided, in milliseconds since 1970; 0 where there is none */
  first: number;
  /** when the last of them was decided */
  last: number;
  candidate: ReplayReport;
  against: ReplayReport;
  difference: ReplayDifference;
};

/** of which requests something is kept */
export type ReplayKept = {
  /** all requests of the sampled accounts that were decided since then are kept, but for those that were lost; in milliseconds since 1970 */
  since: number;
  /** when this was told; requests of the last seconds are not handed on yet */
  until: number;
  /** how many requests are kept */
  lines: number;
  /** one account in so many is sampled, with all of its requests; 1: all accounts */
  one_in: number;
  /** requests of accounts that are not sampled */
  left_out: number;
  /** requests of sampled accounts that there was no room for */
  lost: number;
};

export type ReplayLines = {
  /** as many as are kept */
  read: number;
  /** as many as both tables were asked about */
  replayed: number;
  /** those whose plan is not in both tables: nobody can say what becomes of them */
  unknown_plan: number;
};

/** what one table makes of the requests */
export type ReplayReport = {
  /** decisions that are as they were: let through, or refused by the same limits */
  as_logged: number;
  all: ReplayTally;
  /** by the plans' names */
  plans: Record<string, ReplayTally>;
  /** limits that refused */
  limits: Array<ReplayLimit>;
  /** by the accounts' names: the 100 that the candidate newly refuses most */
  accounts: Record<string, ReplayAccount>;
  /** how many accounts are not in `accounts` */
  other_accounts: number;
};

/** requests, and what they use */
export type ReplayTally = {
  /** requests */
  asked: number;
  let_through: number;
  refused_by_limits: number;
  /** refused by `models`, `max_tokens` or `max_input_bytes` of their plan */
  not_allowed: number;
  /** let through here and refused then: what they use is their account's mean */
  assumed: number;
  /** let through, and nobody knows what they used */
  unknown: number;
  /** let through with fewer tokens than they used */
  cut_short: number;
  prompt_tokens: number;
  completion_tokens: number;
  /** units of the table's `costs` */
  cost: number;
  money?: ReplayMoney;
};

/** only where the table has a currency */
export type ReplayMoney = {
  /** a decimal number */
  amount: string;
  currency: string;
};

export type ReplayAccount = {
  /** requests */
  asked: number;
  let_through: number;
  refused_by_limits: number;
  /** refused by `models`, `max_tokens` or `max_input_bytes` of their plan */
  not_allowed: number;
  /** let through here and refused then: what they use is their account's mean */
  assumed: number;
  /** let through, and nobody knows what they used */
  unknown: number;
  /** let through with fewer tokens than they used */
  cut_short: number;
  prompt_tokens: number;
  completion_tokens: number;
  /** units of the table's `costs` */
  cost: number;
  money?: ReplayMoney;
  /** by the limits' names */
  refused_by: Record<string, ReplayRefusals>;
};

export type ReplayLimit = {
  plan: string;
  limit: string;
  /** how many accounts it refused */
  accounts: number;
  /** how often */
  refused: number;
  /** refusals that no wait would have helped */
  never_pass: number;
  /** when the first was, in milliseconds since 1970 */
  first: number;
  /** when the last was */
  last: number;
  /** the longest wait that callers would have been told */
  longest_wait_ms: number;
};

export type ReplayRefusals = {
  /** how often */
  refused: number;
  /** refusals that no wait would have helped */
  never_pass: number;
  /** when the first was, in milliseconds since 1970 */
  first: number;
  /** when the last was */
  last: number;
  /** the longest wait that callers would have been told */
  longest_wait_ms: number;
};

export type ReplayDifference = {
  /** requests that the candidate alone refuses */
  newly_refused: number;
  /** requests that the candidate alone lets through */
  newly_let_through: number;
  /** by the names of the accounts of which something changes: the 100 that are newly refused most */
  accounts: Record<string, ReplayChange>;
  /** of how many more accounts something changes */
  other_accounts: number;
};

export type ReplayChange = {
  newly_refused: number;
  /** how many of these its plan does not allow */
  newly_not_allowed: number;
  /** of what is newly refused, by the limits' names */
  refused_by: Record<string, ReplayRefusals>;
  newly_let_through: number;
};

export type OriginList = Array<Origin>;

export type Origin = {
  /** also the audience of its grants: `sluice-origin serve --name` */
  name: string;
  /** https://, or http:// with `private` */
  url: string;
  /** by the names that callers have; without it those that it lists */
  models?: Array<string>;
  /** its own names for some of them */
  aliases?: Record<string, string>;
  weight?: number;
  region?: "AF" | "AN" | "AS" | "EU" | "NA" | "OC" | "SA";
  private?: boolean;
};

export type Origins = {
  /** where the list comes from */
  source: "settings" | "admin";
  /** as it was written; one of `ORIGIN_URL` has no name */
  origins: Array<{
    url: string;
  }>;
  /** how those that have names are, as far as the isolate knows that answers */
  state: Array<{
    name: string;
    takes_requests: boolean;
  }>;
};

export type CreateDenial = {
  /** a name of JWT_ISSUERS, or `sluice` for short tokens */
  issuer: string;
  jti?: string;
  sub?: string;
  ttl_s?: number;
};

export type Denial = {
  id: string;
  issuer: string;
  kind: "jti" | "sub";
  value: string;
  /** milliseconds since 1970 */
  created_at: number;
  until: number | null;
};

export type DenialList = {
  data: Array<Denial>;
};

export type DeletedDenial = {
  id: string;
  deleted: boolean;
};

export type Forgotten = {
  /** Whose; null for all accounts'. */
  account: unknown;
  forgotten: true;
};

export type AuditEntry = {
  number: number;
  /** milliseconds since 1970 */
  at: number;
  actor: string;
  address: string | null;
  action: string;
  target: string;
  details: Record<string, string>;
  request: string;
  previous: string;
  hash: string;
};

export type AuditPage = {
  data: Array<AuditEntry>;
  /** `after` of the next page, or `before` where they are read backwards; absent on the last */
  next?: number;
};

export type FailedLogins = {
  data: Array<FailedLogin>;
};

export type FailedLogin = {
  /** an address, or an IPv6 /64; empty where the platform does not say */
  address: string;
  /** milliseconds since the epoch */
  first: number;
  /** milliseconds since the epoch */
  last: number;
  /** how often, within an hour from the first, as far as each was noted */
  count: number;
  /** failures, from wherever, that were only counted before these */
  not_noted_before: number;
};

export type Jobs = {
  account: string;
  /** files that are kept */
  files: number;
  /** of files, and of lines and responses that wait */
  bytes: number;
  /** responses in the background that are not over */
  responses: number;
  /** the latest, the newest first */
  batches: Array<Batch>;
};

export type Batch = {
  id: string;
  /** the key, or the account of those who have none */
  made_by: string;
  /** where its lines go */
  endpoint: string;
  status: "validating" | "failed" | "in_progress" | "finalizing" | "completed" | "expired" | "cancelling" | "cancelled";
  /** lines; 0 until its file is understood */
  total: number;
  /** lines with an answer */
  completed: number;
  /** lines that are over without one */
  failed: number;
  /** what is wrong with it, first of all */
  error?: string;
  /** milliseconds since the epoch */
  created_at: number;
  /** when it runs out of time */
  expires_at: number;
  /** when somebody wanted it to end */
  cancelling_at?: number;
  /** when it was over, however */
  ended_at?: number;
};

export type EndBatch = {
  /** its id */
  batch: string;
};

export type UsageLine = {
  account: string;
  /** when the hour began */
  hour?: string;
  /** the day, of UTC */
  day?: string;
  /** `key_...`, or `subject:` and the mark of who has none; null for what was not told apart when it was counted */
  key?: unknown;
  model?: unknown;
  endpoint?: unknown;
  /** the mark of an end user, `none` or `others` */
  user?: unknown;
  /** requests that the origin took up */
  served: number;
  /** good requests that were given back to every limit: we failed them, or their caller left before an origin took them up */
  failed: number;
  /** requests of which nobody said what became of them */
  lapsed: number;
  prompt_tokens: number;
  cached_tokens: number;
  completion_tokens: number;
  thinking_tokens: number;
  /** pictures that were begun */
  images: number;
  /** steps of them that were run */
  image_steps: number;
  /** in units of the plans' formulas */
  cost: number;
  /** in the plans' currency */
  money: string;
  /** how many requests each limit refused */
  refused: Record<string, number>;
};

export type UsagePage = {
  from: string;
  to: string;
  /** of which currency `money` is */
  currency: unknown;
  data: Array<UsageLine>;
  /** accounts that could not be asked, or whose rows cannot be read: they are in no line */
  unread?: Array<string>;
  /** `after` of the next page; absent on the last */
  next?: string;
};

export type Live = {
  /** when this was told */
  now: number;
  /** how long a slot is */
  slot_ms: number;
  /** whether all Meters have told; what another one has counted is missing otherwise */
  is_whole: boolean;
  /** requests that were admitted and have not ended */
  in_flight: number;
  /** isolates that have said something within the last minute */
  isolates: number;
  origins: Array<LiveOrigin>;
  total: LiveSlot;
  /** in all slots that are told, the most asked for first */
  models: Array<LiveModel>;
  /** those in which something was counted, in order */
  slots: Array<LiveSlot>;
};

/** What was counted in five seconds, in a minute, or in all slots that are told. */
export type LiveSlot = {
  /** when it began, in milliseconds since 1970 */
  at: number;
  requests: LiveRequests;
  /** how many requests were refused, by the refusal's code */
  refused?: Record<string, number>;
  /** how often limits refused; a request that two refuse counts for both */
  refused_by?: Array<LiveLimit>;
  tokens: LiveTokens;
  /** pictures that were begun */
  images: number;
  /** steps of them that were run */
  image_steps: number;
  first_token_ms?: Quantiles;
  answer_ms?: Quantiles;
  /** messages to Gates */
  gate_calls: number;
  /** rows that Gates wrote over them */
  gate_rows: number;
  /** logins of admins that failed */
  failed_logins: number;
  /** leases that ended by themselves */
  lapsed: number;
};

/** Requests for an answer that are over, by what became of them. */
export type LiveRequests = {
  /** answered to their end */
  served: number;
  /** answered, but not to their end */
  cut: number;
  /** for a reason of the caller's */
  refused: number;
  /** refused for a reason of ours */
  failed: number;
  /** by their caller */
  left: number;
};

export type LiveLimit = {
  plan: string;
  limit: string;
  /** how often it refused */
  count: number;
};

/** As far as origins told. */
export type LiveTokens = {
  prompt: number;
  /** of the prompt's */
  cached: number;
  completion: number;
  /** of the completion's */
  thinking: number;
};

export type LiveModel = {
  /** `(others)` for those that are not told apart */
  model: string;
  requests: LiveRequests;
  tokens: LiveTokens;
  /** pictures that were begun */
  images: number;
  /** steps of them that were run */
  image_steps: number;
  first_token_ms?: Quantiles;
};

export type LiveOrigin = {
  /** absent where there is one alone */
  name?: string;
  /** as far as most isolates know */
  takes_requests: boolean;
  /** how full it is, its places or its GPU's memory, as it said within the last minute */
  percent_in_use?: number;
  /** how long a request waits there */
  wait_ms?: number;
};

/** How long something took, read between the bounds of the histogram's buckets; absent where there was none. */
export type Quantiles = {
  count: number;
  /** what half of them took at most, in milliseconds */
  p50: number;
  /** what nineteen of twenty took at most */
  p95: number;
};

/** docs/alerts.md */
export type Alerts = {
  /** when this was told */
  now: number;
  /** those in force */
  rules: Array<AlertRule>;
  /** those that `ALERT_WEBHOOKS` names; where it names none, nobody looks for incidents */
  webhooks: Array<AlertWebhook>;
  /** incidents that last, the newest first */
  open: Array<AlertIncident>;
  /** the last ones that are over, the newest first */
  over: Array<AlertIncident>;
  /** the last messages that nobody tries to send any more, the newest first */
  given_up: Array<AlertGivenUp>;
};

export type AlertRule = {
  name: string;
  /** what it looks at */
  kind: "key_refused" | "budget" | "origin_down" | "errors" | "lapsed" | "failed_logins";
  /** when it tells, for people */
  says: string;
  /** whether it is kept quiet */
  muted: boolean;
  /** the webhooks that it tells, of those that there are */
  send: Array<string>;
  /** what it names and there is no webhook of */
  unknown: Array<string>;
  /** whether so many of its incidents last that it opens no other */
  is_full: boolean;
};

/** Without what opens it. */
export type AlertWebhook = {
  name: string;
  /** what it understands */
  form: "json" | "slack" | "wecom" | "dingtalk";
  /** whether it is in a network of the operator's own */
  private: boolean;
  /** of its URL */
  host: string;
  /** messages that wait for it */
  waiting: number;
  last?: AlertOutcome;
};

/** What became of what was sent last; absent where nothing was. */
export type AlertOutcome = {
  /** milliseconds since 1970 */
  at: number;
  /** `unreached`: it did not answer */
  result: "taken" | "refused" | "unreached";
  /** the status with which it was refused */
  status?: number;
};

export type AlertIncident = {
  /** what its messages' ids begin with */
  id: string;
  /** the name of the rule that opened it */
  rule: string;
  /** what happened, in a line */
  title: string;
  /** how it opened, or how it ended if it has */
  text: string;
  /** what it is about, and what was counted */
  facts: Record<string, string>;
  /** when it opened */
  since: number;
  /** when it ended, if it has */
  over_at?: number;
};

export type AlertGivenUp = {
  /** the message's id */
  notice: string;
  /** the name of the rule that told it */
  rule: string;
  /** where it was to go */
  webhook: string;
  /** when it was given up */
  at: number;
  /** how often it was tried */
  tries: number;
  /** `no_room`: too many waited */
  result: "refused" | "unreached" | "no_room";
  /** the status with which it was refused */
  status?: number;
};

export type TestAlerts = {
  /** its name */
  webhook: string;
};

/** What became of a test. Nothing of the webhook's answer is told but its status. */
export type TestedAlerts = {
  /** whether the webhook has it */
  taken: boolean;
  /** the status with which it was refused; absent where nobody answered */
  status?: number;
};

export type OwnKey = {
  id: string;
  account: string;
  name: string;
  plan: string;
  limits: Array<OwnLimit>;
  live_leases: number;
  used: Totals;
  next_request_in_ms: number | null;
};

export type OwnLimit = {
  name: string;
  kind: "window" | "bucket" | "parallel" | "budget";
  unit: "requests" | "tokens" | "cost" | "images";
  per: "account" | "key" | "model" | "session" | "user";
  /** of its amounts, if it counts money */
  currency?: string;
  /** of a budget */
  period?: "day" | "week" | "month" | "ever";
  /** by the clocks of which time zone a budget's periods are */
  zone?: string;
  /** of money a decimal */
  limit: number | string;
  window_ms?: number;
  /** of money a decimal */
  used: number | string;
  /** of money a decimal */
  remaining: number | string;
  more_in_ms?: number;
  whole_in_ms?: number;
  /** how often; it is only watched */
  would_have_refused?: number;
};

export type ModelList = {
  object: "list";
  data: Array<ModelEntry>;
};

export type ModelEntry = {
  id: string;
  object: "model";
  created: number;
  owned_by: string;
  context_length: number;
  /** what not every model can do */
  capabilities: Array<"tools" | "thinking" | "embedding" | "rerank" | "image">;
};

export type Health = {
  status: "ok";
};

/** What each route takes and answers. */
export interface Routes {
  "GET /admin/v1/keys": {
    query: { limit?: number; after?: string; account?: string; plan?: string; disabled?: boolean; name?: string; expires_before?: number };
    body: undefined;
    answer: KeyList;
  };
  "POST /admin/v1/keys": {
    query: {};
    body: CreateKey;
    answer: CreatedKey;
  };
  "POST /admin/v1/keys/bulk": {
    query: {};
    body: CreateKeys;
    answer: CreatedKeys;
  };
  "GET /admin/v1/keys/{key}": {
    query: {};
    body: undefined;
    answer: Key;
  };
  "PATCH /admin/v1/keys/{key}": {
    query: {};
    body: ChangeKey;
    answer: Key;
  };
  "DELETE /admin/v1/keys/{key}": {
    query: {};
    body: undefined;
    answer: DeletedKey;
  };
  "POST /admin/v1/keys/{key}/rotate": {
    query: {};
    body: RotateKey;
    answer: RotatedKey;
  };
  "POST /admin/v1/keys/{key}/disable": {
    query: {};
    body: Nothing;
    answer: Key;
  };
  "POST /admin/v1/keys/{key}/enable": {
    query: {};
    body: Nothing;
    answer: Key;
  };
  "GET /admin/v1/accounts": {
    query: { limit?: number; after?: string; plan?: string; disabled?: boolean; name?: string; owner?: string };
    body: undefined;
    answer: AccountList;
  };
  "POST /admin/v1/accounts": {
    query: {};
    body: ChangeAccount;
    answer: Account;
  };
  "GET /admin/v1/accounts/{account}": {
    query: {};
    body: undefined;
    answer: Account;
  };
  "PATCH /admin/v1/accounts/{account}": {
    query: {};
    body: ChangeAccount;
    answer: Account;
  };
  "DELETE /admin/v1/accounts/{account}": {
    query: {};
    body: undefined;
    answer: DeletedAccount;
  };
  "POST /admin/v1/accounts/{account}/disable": {
    query: {};
    body: Nothing;
    answer: Account;
  };
  "POST /admin/v1/accounts/{account}/enable": {
    query: {};
    body: Nothing;
    answer: Account;
  };
  "POST /admin/v1/accounts/{account}/credits": {
    query: {};
    body: AddCredits;
    answer: Account;
  };
  "GET /admin/v1/plans": {
    query: {};
    body: undefined;
    answer: Plans;
  };
  "PUT /admin/v1/plans": {
    query: {};
    body: Plans;
    answer: Plans;
  };
  "POST /admin/v1/plans/replay": {
    query: {};
    body: Plans;
    answer: PlansReplay;
  };
  "GET /admin/v1/origins": {
    query: {};
    body: undefined;
    answer: Origins;
  };
  "PUT /admin/v1/origins": {
    query: {};
    body: OriginList;
    answer: Origins;
  };
  "DELETE /admin/v1/origins": {
    query: {};
    body: Nothing;
    answer: Origins;
  };
  "GET /admin/v1/denials": {
    query: {};
    body: undefined;
    answer: DenialList;
  };
  "POST /admin/v1/denials": {
    query: {};
    body: CreateDenial;
    answer: Denial;
  };
  "DELETE /admin/v1/denials/{denial}": {
    query: {};
    body: undefined;
    answer: DeletedDenial;
  };
  "DELETE /admin/v1/cache": {
    query: {};
    body: undefined;
    answer: Forgotten;
  };
  "DELETE /admin/v1/cache/{cache}": {
    query: {};
    body: undefined;
    answer: Forgotten;
  };
  "GET /admin/v1/jobs/{account}": {
    query: {};
    body: undefined;
    answer: Jobs;
  };
  "POST /admin/v1/jobs/{account}/cancel": {
    query: {};
    body: EndBatch;
    answer: Batch;
  };
  "GET /admin/v1/usage": {
    query: { from?: string; to?: string; by?: string; account?: string; key?: string; format?: "json" | "csv"; after?: string };
    body: undefined;
    answer: UsagePage;
  };
  "GET /admin/v1/live": {
    query: { span?: "5m" | "hour" | "day"; since?: number };
    body: undefined;
    answer: Live;
  };
  "GET /admin/v1/live/stream": {
    query: { span?: "5m" | "hour" | "day"; since?: number };
    body: undefined;
    answer: string;
  };
  "GET /admin/v1/alerts": {
    query: {};
    body: undefined;
    answer: Alerts;
  };
  "POST /admin/v1/alerts/test": {
    query: {};
    body: TestAlerts;
    answer: TestedAlerts;
  };
  "GET /admin/v1/audit": {
    query: { after?: number; before?: number | "end"; action?: string; account?: string };
    body: undefined;
    answer: AuditPage;
  };
  "GET /admin/v1/failed-logins": {
    query: {};
    body: undefined;
    answer: FailedLogins;
  };
  "GET /v1/key": {
    query: {};
    body: undefined;
    answer: OwnKey;
  };
  "GET /v1/usage": {
    query: { from?: string; to?: string; by?: string; format?: "json" | "csv"; after?: string };
    body: undefined;
    answer: UsagePage;
  };
  "GET /v1/models": {
    query: {};
    body: undefined;
    answer: ModelList;
  };
  "GET /healthz": {
    query: {};
    body: undefined;
    answer: Health;
  };
}
