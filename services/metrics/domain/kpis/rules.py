"""How facts come about, for people: with it and the formulas every KPI can be computed again from the events alone."""

RULES = """## How facts come about

`tests/oracle` computes every KPI from these words and the accepted events, and is held against the services.

### What is said and known

- Of each event (`source`, `id`) the highest revision counts that was known at the end of the day `known_at`.
- A field is what was said of it last, in the order of `time`, `sequence`, `source`, `id`; `ended` too. Entries of
  `lines` and `allocations` merge field by field; null removes one, and null for the collection removes all.
- A *day* is a business date in the company's time zone. What is true on the evening of a day is what the last event
  of that day, or of any day before, left behind.
- *Reference data*: the value on a day is, of everything said of that field with `since` up to that day (or without
  `since`), what has the latest `since`, and of that what was said last. Null takes a value away, also when it is said
  of the entry or of the collection around it.
- **`ended` means nothing for reference data**, targets aside. What was said of a product, a member or a rate stays
  true of the days for which it was said: a product that is no longer sold had its price, and who has left was in a
  team. A merge is taken back by `into_id: null`, a price or a team by null since a date.

### Who, where, and in what money

- `customer` is who is left after merges: the alias of the id on the day of the fact, the alias of that, and so on (at
  most 12). `sector` and *related party* are the survivor's, on that day.
- `team` is the first unit of kind `team` from the member's `unit_id` upward through `parent_id` (at most 12 units),
  `manager` that team's `manager_id`, `region` the first unit of kind `region`; nothing above a region is looked at.
- An order, shipment, return, invoice, credit note or payment that names no `owner_id` or no `channel_id` has its
  customer's of that day. A deal has only what it says.
- The rate of a day is `spot:<currency>/<base>`, else 1 ÷ `spot:<base>/<currency>`, rounded half-even to 12 decimal
  places. Without either the amount is `unconverted` and counts as nothing; zero needs no rate. Constant rates are
  those of one day that the company sets. Sums are exact.

### Deals

- The `pipeline` is `default` if none is said. The stage of a state is its label, read through the stage map of the
  source that said the label and of its pipeline, **as of the day of the state**; else the label itself; `unmapped` if
  the pipeline has no such stage. Without a label it is the first stage (`unmapped` in a pipeline that nobody knows).
  A deal is *open* unless it ended or its stage is `won` or `lost`; `unmapped` is open.
- **What a deal is worth on a day**: its `amount`; else the list price of its product on that day × `quantity` (1 if
  unsaid), counted as `estimated`; else nothing, counted as `unvalued`.
- **Flows** (`created`, `created-won`, `won`, `lost`, `advanced`, `dropped`, `undecided`) are told of deals that have
  not ended by what is known: a deal that ended leaves every flow, on all days. They stand under what the deal says
  now (owner, customer, product, channel, business line, pipeline), with team, sector and category of the day of the
  fact, and are worth what the deal as it is now is worth on the day of the fact, at the rate of that day.
    - `created` on `created_on`, else on the day of the first event, in the first stage; `created-won` likewise if it
      is won now.
    - `won` and `lost` on the **closing date**: the day on which the present unbroken run of that stage began. Another
      stage breaks a run, and so does an end. `days` is the closing date less the day of creation, and may be
      negative.
    - For each open stage up to the furthest one, on **the first day on which it was at or beyond it** in its present
      pipeline while it had not ended, one of: `advanced` if it ever was further; else `undecided` if it is open now;
      else `dropped`. `won` is beyond all stages, `lost` and `unmapped` are nowhere. All three together reached it.
- **Stock** (`open`): the deals that are open on an evening. They stand under what each said then, with team,
  customer, sector and category of that evening: they move when these do. A stock **enters** on a day, is worth what
  it is worth on that day, at the rates of that day, and is not valued again by a later price or rate. It enters anew,
  and is valued anew, on the first evening on which it says another owner, customer, product, channel, business line
  or amount (without an amount: quantity), is in another stage or pipeline, or is open again. What comes and goes
  within one day is no entry. A deal that ended leaves the stock on that day; the evenings before it stay.

### Orders, shipments, returns, invoices, credit notes

- They count unless they ended. An order counts if its `status` is `confirmed`, `fulfilled` or unsaid, on
  `ordered_on`, **else on the day of its first event**; the others on `shipped_on`, `returned_on` and `issued_on`, and
  not at all without that date.
- Each line is a fact (`ordered`, `shipped`, `returned`, `invoiced`, `credited-return`, `credited-allowance`,
  `credited-correction`; a credit note without a reason corrects). Its value is its `net`, else quantity ×
  `unit_price` − `discount`; `unvalued` without a quantity, or if the discount is in another currency.
- Its quantity (0 if unsaid) is told in the product's own unit: as it is if the line says no unit or that one, else ×
  the product's `conversions.<unit>.factor` of the day; without a factor as it was said, in its unit. Cost is the
  product's cost of the day × quantity in its own unit, at the rate of the day; a quantity without product, factor,
  cost or rate is `uncosted`. An allowance moves no goods: it has no quantity, unit or cost.
- An invoice or credit note that says its `net` (or `gross` and `tax`) is worth that: **the difference to its lines is
  one more line, without a product** (none in a document that says no net).
- `order` is an order as one: Σ lines. `billable-…` is a document as one, with tax: its `gross`, else its net (else Σ
  lines) and `tax`. Where events about one document name several currencies, each is summed apart and the first by
  code counts the document.

### Payments

- They need `amount` and `received_on` and must not have ended. They count on `received_on`; **bills and letters of
  credit on `cleared_on`** (not before `received_on`), and without it not at all.
- **A reversal counts on its own day** (`reversed_on`, not before `received_on`): it takes back what counted, under
  the same dimensions and at the rate of the receipt. What is reversed before it counts never counts.
- `received`, or `refunded` if its kind is `refund`; `applied` for each allocation in the payment's currency; the rest
  is `unallocated` if allocations were ever said, else `on-account`. Of a refund these three are negative.
- `bill-pending` is a stock: receipts by bill or letter of credit, from `received_on` until they clear or are
  reversed, worth what they were when they were received, under team and customer of the evening. `instrument` is
  `other` if unsaid.

### Told

- A quotient is rounded once; a median to one decimal place. `estimated`, `unvalued`, `unconverted` and `uncosted`
  count the deals or lines of the sums that are told (of a quotient: of its divisor), whatever their sign.
- Balances are netted by slice, customer and currency. The sum in the document's own currency decides on which side an
  account is; `unallocated` cash is prepaid whatever its customer owes. `customers` are those with an account on the
  side.
- *Past the first stage* is a stage that the pipeline knows after its first one. The days of all history begin on the
  first day on which any deal was created or won, and end with the period, or with the last such day if it is open.
"""
