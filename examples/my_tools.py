"""Fifty examples for three tools of a bicycle workshop, and thirty to measure with, to be replaced by your own.

Writes examples/my_tools.jsonl and examples/my_tools_unseen.jsonl in the shape of the xLAM dataset: one row an example,
with the fields `id`, `query`, `answers` and `tools` (the last two as JSON text). Every row offers all three tools and
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


# Thirty more, in the same three shapes, that no model is trained on: what a tuned model is measured with.
MORE_REPAIRS = [
    ("Can you fix my squeaky pedals on Thursday?", "squeaky pedals", "Thursday", None),
    ("I have a broken chain and would come in on Tuesday.", "broken chain", "Tuesday", None),
    ("Is there a slot on Monday? It's about a cracked rim.", "cracked rim", "Monday", None),
    ("Express repair on Friday, please, for a jammed gear lever.", "jammed gear lever", "Friday", True),
    ("Make it Wednesday for the loose headset.", "loose headset", "Wednesday", None),
    ("My son's bike has a buckled wheel. Could he bring it by on Saturday?", "buckled wheel", "Saturday", None),
    ("Same-day service for a burst tyre, Tuesday.", "burst tyre", "Tuesday", True),
    ("A dripping brake hose needs attention, Thursday works for me.", "dripping brake hose", "Thursday", None),
    ("Put my bike in the book for Friday, noisy bottom bracket.", "noisy bottom bracket", "Friday", None),
    ("Would Monday be possible for a bent derailleur?", "bent derailleur", "Monday", None),
]

MORE_PARTS = [
    ("Do you sell mudguards?", "mudguards", None),
    ("I need a new chain for under 35 euros.", "chain", 35.0),
    ("Have you got disc brake pads?", "disc brake pads", None),
    ("Show me a bike computer for 80 euros at most.", "bike computer", 80.0),
    ("Is a pannier rack available?", "pannier rack", None),
    ("My budget is 15 euros: any bell?", "bell", 15.0),
    ("Please look for tubeless valves.", "tubeless valves", None),
    ("A floor pump up to 49.5 euros would be nice.", "floor pump", 49.5),
    ("Any grips in stock?", "grips", None),
    ("I'd like a seat post, no more than 55 euros.", "seat post", 55.0),
]

MORE_ORDERS = [
    ("How is order 15920 doing?", 15920),
    ("Can you see where 64078 is?", 64078),
    ("I've been waiting for a week, number 37415.", 37415),
    ("Is receipt 80263 done?", 80263),
    ("What happened to my order with the number 29751?", 29751),
    ("Order 53386: when can I collect it?", 53386),
    ("Tell me the state of purchase 46190.", 46190),
    ("Has 98342 left your shop?", 98342),
    ("71829. Has it arrived?", 71829),
    ("Look up the order on my receipt, 10657.", 10657),
]


def calls(repairs: list, parts: list, orders: list) -> list[tuple[str, str, dict]]:
    """Examples as (query, tool name, arguments); what a query leaves open is left out of the arguments."""
    given = [(query, "book_repair", {"problem": problem, "day": day, "express": express})
             for query, problem, day, express in repairs]  # fmt: skip
    given += [(query, "find_part", {"part": part, "max_price": limit}) for query, part, limit in parts]
    given += [(query, "order_status", {"order_number": number}) for query, number in orders]
    return [
        (query, tool, {name: value for name, value in arguments.items() if value is not None})
        for query, tool, arguments in given
    ]


FILES = {
    "my_tools.jsonl": calls(REPAIRS, PARTS, ORDERS),
    "my_tools_unseen.jsonl": calls(MORE_REPAIRS, MORE_PARTS, MORE_ORDERS),
}


def write(folder: Path) -> dict[str, int]:
    """Write both files into `folder`; returns how many rows each has."""
    for name, examples in FILES.items():
        lines = [
            json.dumps({
                "id": number,
                "query": query,
                "answers": json.dumps([{"name": tool, "arguments": arguments}]),
                "tools": json.dumps(TOOLS),
            })
            for number, (query, tool, arguments) in enumerate(examples)
        ]  # fmt: skip
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {name: len(examples) for name, examples in FILES.items()}


if __name__ == "__main__":
    for name, rows in write(Path(__file__).parent).items():
        print(f"{rows} rows written to {Path(__file__).with_name(name)}")
