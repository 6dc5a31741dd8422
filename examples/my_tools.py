"""Fifty examples for three tools of a bicycle workshop, to be replaced by your own.

Writes examples/my_tools.jsonl in the shape of the xLAM dataset: one row an example, with the fields
`id`, `query`, `answers` and `tools` (the last two as JSON text). Every row offers all three tools and
has one call. docs/your-own-tools.md explains each step.
Run as: python examples/my_tools.py
"""

import json
from pathlib import Path

TOOLS = [
    {
        "name": "book_repair",
        "description": "Book a repair of a bicycle in the workshop.",
        "parameters": {
            "problem": {"type": "str", "description": "What is broken, in a few words."},
            "day": {"type": "str", "description": "Weekday on which the bicycle is brought, such as Monday."},
            "express": {"type": "bool, optional", "description": "True for same-day repair.", "default": False},
        },
    },
    {
        "name": "find_part",
        "description": "Search the stock for a spare part.",
        "parameters": {
            "part": {"type": "str", "description": "The part that is needed, such as chain or saddle."},
            "max_price": {"type": "float, optional", "description": "Highest acceptable price in euros."},
        },
    },
    {
        "name": "order_status",
        "description": "Tell how far an order has come.",
        "parameters": {"order_number": {"type": "int", "description": "The number printed on the receipt."}},
    },
]

REPAIRS = [  # query, problem, day, express (None: nothing was said about it)
    ("My rear brake squeals, can I come by on Monday?", "rear brake squeals", "Monday", None),
    ("Please put me down for Tuesday, I have a flat tyre.", "flat tyre", "Tuesday", None),
    ("Wednesday would suit me: bent front wheel.", "bent front wheel", "Wednesday", None),
    ("There is a loose pedal to fix. Is Thursday free?", "loose pedal", "Thursday", None),
    ("I need an appointment this Friday because of a broken spoke.", "broken spoke", "Friday", None),
    ("Book a same-day repair for Monday, the problem is a torn gear cable.", "torn gear cable", "Monday", True),
    ("Worn brake pads here! I'd like the express repair on Saturday.", "worn brake pads", "Saturday", True),
    ("Could you look at a wobbly saddle on Tuesday?", "wobbly saddle", "Tuesday", None),
    ("Thursday, express please: snapped chain.", "snapped chain", "Thursday", True),
    ("The kid's bike has a stuck bell, we can bring it on Friday.", "stuck bell", "Friday", None),
    ("Reserve a slot on Saturday for a leaking hydraulic brake.", "leaking hydraulic brake", "Saturday", None),
    ("On Wednesday I'll drop off a bike with a cracked fender.", "cracked fender", "Wednesday", None),
    ("It has to be done the same day, Friday: dead dynamo.", "dead dynamo", "Friday", True),
    ("Schedule me in for Monday, slipping gears.", "slipping gears", "Monday", None),
    ("My handlebar is crooked; crooked handlebar, bring-in day Tuesday.", "crooked handlebar", "Tuesday", None),
    ("A rattling mudguard drives me mad, may I come Thursday?", "rattling mudguard", "Thursday", None),
    ("Express job wanted for Wednesday, I have a punctured tube.", "punctured tube", "Wednesday", True),
]

PARTS = [  # query, part, max_price (None: no limit was given)
    ("Do you have a bottom bracket in stock?", "bottom bracket", None),
    ("I'm after a leather saddle for no more than 60 euros.", "leather saddle", 60.0),
    ("Search for a kickstand below 18.5 euros.", "kickstand", 18.5),
    ("Is there any bottle cage left?", "bottle cage", None),
    ("Which tail light can I get for up to 25 euros?", "tail light", 25.0),
    ("Look up a 28 inch inner tube, please.", "28 inch inner tube", None),
    ("Find me pedals that cost at most 40 euros.", "pedals", 40.0),
    ("Got a derailleur hanger somewhere?", "derailleur hanger", None),
    ("I want a front basket, my budget is 32 euros.", "front basket", 32.0),
    ("See whether a cassette is available.", "cassette", None),
    ("Need brake levers, ideally under 29.9 euros.", "brake levers", 29.9),
    ("What about handlebar tape, do you sell it?", "handlebar tape", None),
    ("A frame lock for 45 euros or less, please.", "frame lock", 45.0),
    ("Check the stock for a wheel rim.", "wheel rim", None),
    ("Can I still buy a child seat? 90 euros is my limit.", "child seat", 90.0),
    ("I could use a new headset bearing.", "headset bearing", None),
]

ORDERS = [  # query, order_number
    ("Where is my order 10482?", 10482),
    ("Has number 20931 been shipped yet?", 20931),
    ("My receipt says 33107. Any news?", 33107),
    ("Could you tell me how order number 41256 is coming along?", 41256),
    ("I'm still waiting for 50098, what is going on with it?", 50098),
    ("Status of 61743, please.", 61743),
    ("Is purchase 70215 ready to be picked up?", 70215),
    ("I bought something last week under number 88460; is it on its way?", 88460),
    ("Track order 91534.", 91534),
    ("When will 12069 arrive?", 12069),
    ("The wheels I ordered, receipt 23857: packed already?", 23857),
    ("Let me know about the progress of order 34672.", 34672),
    ("Did anything happen to 45391 since yesterday?", 45391),
    ("How far along is receipt number 56920?", 56920),
    ("Please check 67148 for me.", 67148),
    ("Nobody called about 78503. Is it finished?", 78503),
    ("What's the delivery state of order 89274?", 89274),
]


def calls() -> list[tuple[str, str, dict]]:
    """All examples as (query, tool name, arguments); what a query leaves open is left out of the arguments."""
    repairs = [(query, "book_repair", {"problem": problem, "day": day, "express": express})
               for query, problem, day, express in REPAIRS]  # fmt: skip
    parts = [(query, "find_part", {"part": part, "max_price": limit}) for query, part, limit in PARTS]
    orders = [(query, "order_status", {"order_number": number}) for query, number in ORDERS]
    return [
        (query, tool, {name: value for name, value in arguments.items() if value is not None})
        for query, tool, arguments in repairs + parts + orders
    ]


def write(path: Path) -> int:
    """Write the rows to `path`; returns how many."""
    lines = [
        json.dumps({
            "id": number,
            "query": query,
            "answers": json.dumps([{"name": tool, "arguments": arguments}]),
            "tools": json.dumps(TOOLS),
        })
        for number, (query, tool, arguments) in enumerate(calls())
    ]  # fmt: skip
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return len(lines)


if __name__ == "__main__":
    target = Path(__file__).with_suffix(".jsonl")
    print(f"{write(target)} rows written to {target}")
