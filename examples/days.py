"""Seventy-two training rows about days, which the offline dataset has too few of.

Writes examples/days.jsonl in the shape of the xLAM dataset. The tools there describe the format of a day
("YYYY-MM-DD"); these say no more than `"type": "str"`, and then the words of the question are the value: "March 3,
2026" stays "March 3, 2026". That is the whole lesson. No row is about the weather, and none goes into validation or
test. Run as: python examples/days.py
"""

import json
from pathlib import Path


def tool(name: str, description: str, *parameters: str) -> dict:
    """A tool in xLAM's shape whose parameters are texts without a description."""
    return {"name": name, "description": description, "parameters": {key: {"type": "str"} for key in parameters}}


# Each group: the tools that its rows offer, and its rows as (query, name of the tool, argument values in order).
GROUPS = [
    (
        [
            tool("book_table", "Book a table in a restaurant.", "restaurant", "day"),
            tool("cancel_table", "Cancel a reservation in a restaurant.", "restaurant", "day"),
        ],
        [
            ("A table at Casa Lupo on April 18, 2026, please.", "book_table", "Casa Lupo", "April 18, 2026"),
            (
                "We can't make it to Blue Door on May 2, 2026, please cancel.",
                "cancel_table",
                "Blue Door",
                "May 2, 2026",
            ),
            ("Reserve at Golden Fern for 9 July 2026.", "book_table", "Golden Fern", "9 July 2026"),
            ("Could I eat at Old Mill on 2026-08-30?", "book_table", "Old Mill", "2026-08-30"),
        ],
    ),
    (
        [tool("museum_hours", "Opening hours of a museum on a date.", "museum", "date")],
        [
            ("When does the Rail Museum open on October 12, 2025?", "museum_hours", "Rail Museum", "October 12, 2025"),
            ("Is the Glass Museum open on December 31, 2025?", "museum_hours", "Glass Museum", "December 31, 2025"),
            ("Opening hours of the Toy Museum for 6 January 2026?", "museum_hours", "Toy Museum", "6 January 2026"),
            (
                "The Harbour Museum: what are its hours on March 27, 2026?",
                "museum_hours",
                "Harbour Museum",
                "March 27, 2026",
            ),
        ],
    ),
    (
        [
            tool("find_trains", "Find trains between two cities on a day.", "origin", "destination", "date"),
            tool("find_buses", "Find buses between two cities on a day.", "origin", "destination", "date"),
        ],
        [
            ("Trains from Lyon to Turin on September 5, 2026?", "find_trains", "Lyon", "Turin", "September 5, 2026"),
            ("Which buses go from Porto to Vigo on June 11, 2026?", "find_buses", "Porto", "Vigo", "June 11, 2026"),
            (
                "I want to take the train on February 3, 2026, Graz to Linz.",
                "find_trains",
                "Graz",
                "Linz",
                "February 3, 2026",
            ),
            ("A bus from Cork to Galway, 21 November 2025.", "find_buses", "Cork", "Galway", "21 November 2025"),
        ],
    ),
    (
        [tool("sunrise_time", "Time of sunrise in a city on a given date.", "location", "date")],
        [
            ("What time is sunrise in Helsinki on May 19, 2026?", "sunrise_time", "Helsinki", "May 19, 2026"),
            ("When does the sun come up in Cairo on August 8, 2025?", "sunrise_time", "Cairo", "August 8, 2025"),
            ("Sunrise for Lima on January 1, 2027, please.", "sunrise_time", "Lima", "January 1, 2027"),
            ("I'm in Perth on October 30, 2026. When is sunrise?", "sunrise_time", "Perth", "October 30, 2026"),
        ],
    ),
    (
        [
            tool("hotel_price", "Price of a hotel room in a city on a date.", "city", "on_date"),
            tool("flat_price", "Price of a holiday flat in a city on a date.", "city", "on_date"),
        ],
        [
            ("How much is a hotel room in Vienna on April 4, 2026?", "hotel_price", "Vienna", "April 4, 2026"),
            ("What does a holiday flat in Split cost on July 26, 2026?", "flat_price", "Split", "July 26, 2026"),
            ("Hotel prices in Bergen on 17 March 2026?", "hotel_price", "Bergen", "17 March 2026"),
            (
                "Tell me the price of a flat in Nantes on September 22, 2025.",
                "flat_price",
                "Nantes",
                "September 22, 2025",
            ),
        ],
    ),
    (
        [tool("exchange_rate", "Exchange rate of a currency against the euro on a day.", "currency", "when")],
        [
            ("How did the yen stand on November 28, 2024?", "exchange_rate", "yen", "November 28, 2024"),
            ("The rate of the Swiss franc on 2025-02-14?", "exchange_rate", "Swiss franc", "2025-02-14"),
            ("What was the pound worth on June 30, 2025?", "exchange_rate", "pound", "June 30, 2025"),
            ("Euro to krona as of March 9, 2025, please.", "exchange_rate", "krona", "March 9, 2025"),
        ],
    ),
    (
        [
            tool("set_reminder", "Set a reminder for a day.", "text", "day"),
            tool("add_birthday", "Note the birthday of a person.", "person", "day"),
        ],
        [
            (
                "Remind me to renew the passport on October 3, 2026.",
                "set_reminder",
                "renew the passport",
                "October 3, 2026",
            ),
            ("Ines was born on December 13, 1991, please note it.", "add_birthday", "Ines", "December 13, 1991"),
            (
                "On January 20, 2026 I have to water the plants, remind me.",
                "set_reminder",
                "water the plants",
                "January 20, 2026",
            ),
            ("Tomas has his birthday on 24 August 1987.", "add_birthday", "Tomas", "24 August 1987"),
        ],
    ),
    (
        [tool("concerts_in", "List concerts in a place on a date.", "place", "date")],
        [
            ("Are there concerts in Ghent on May 29, 2026?", "concerts_in", "Ghent", "May 29, 2026"),
            ("Who plays in Austin on November 15, 2025?", "concerts_in", "Austin", "November 15, 2025"),
            ("What concerts will there be in Kyoto on April 7, 2026?", "concerts_in", "Kyoto", "April 7, 2026"),
            ("I'd like to hear live music in Leeds on February 16, 2027.", "concerts_in", "Leeds", "February 16, 2027"),
        ],
    ),
    (
        [
            tool("tide_times", "Times of high and low tide at a harbour on a day.", "harbour", "day"),
            tool("ferry_times", "Departures of the ferry at a harbour on a day.", "harbour", "day"),
        ],
        [
            ("High tide in Brest on August 21, 2026?", "tide_times", "Brest", "August 21, 2026"),
            ("When do the ferries leave Ystad on July 1, 2026?", "ferry_times", "Ystad", "July 1, 2026"),
            ("Low tide at Whitby on 10 September 2025, please.", "tide_times", "Whitby", "10 September 2025"),
            ("Check the ferry at Split for December 5, 2026.", "ferry_times", "Split", "December 5, 2026"),
        ],
    ),
    (
        [tool("air_quality", "Air quality in a town on a date.", "town", "date")],
        [
            ("How is the air in Krakow going to be on January 9, 2026?", "air_quality", "Krakow", "January 9, 2026"),
            ("Air quality for Delhi on October 25, 2025?", "air_quality", "Delhi", "October 25, 2025"),
            ("Will the air be clean in Turin on June 3, 2026?", "air_quality", "Turin", "June 3, 2026"),
            ("Please look up the air quality in Sofia on March 14, 2026.", "air_quality", "Sofia", "March 14, 2026"),
        ],
    ),
    (
        [
            tool("rent_car", "Rent a car in a city from a day on.", "city", "start"),
            tool("rent_bike", "Rent a bike in a city from a day on.", "city", "start"),
        ],
        [
            ("I need a car in Malaga from May 6, 2026.", "rent_car", "Malaga", "May 6, 2026"),
            ("Rent a bike in Utrecht, starting October 19, 2026.", "rent_bike", "Utrecht", "October 19, 2026"),
            ("From 2 February 2026 on I want a car in Bologna.", "rent_car", "Bologna", "2 February 2026"),
            ("Get me a bike in Aarhus for August 31, 2025.", "rent_bike", "Aarhus", "August 31, 2025"),
        ],
    ),
    (
        [tool("news_of", "News about a topic from one day.", "topic", "date")],
        [
            ("What was in the news about robots on November 3, 2025?", "news_of", "robots", "November 3, 2025"),
            ("Show me news on solar power from April 24, 2026.", "news_of", "solar power", "April 24, 2026"),
            ("Anything about chess on July 7, 2026?", "news_of", "chess", "July 7, 2026"),
            (
                "The news about coffee prices of September 16, 2025, please.",
                "news_of",
                "coffee prices",
                "September 16, 2025",
            ),
        ],
    ),
    (
        [
            tool("get_events", "Get the events at a location on a date.", "location", "date"),
            tool("get_markets", "Get the street markets at a location on a date.", "location", "date"),
        ],
        [
            ("What will be going on in Madrid on November 12, 2025?", "get_events", "Madrid", "November 12, 2025"),
            ("Are there street markets in Hanoi on December 6, 2025?", "get_markets", "Hanoi", "December 6, 2025"),
            ("Which events does Boston have on July 4, 2026?", "get_events", "Boston", "July 4, 2026"),
            ("Find the markets in Lille on September 19, 2026.", "get_markets", "Lille", "September 19, 2026"),
        ],
    ),
    (
        [tool("get_traffic", "Get the traffic for a given location and date.", "location", "date")],
        [
            ("How will the traffic be in Munich on October 2, 2026?", "get_traffic", "Munich", "October 2, 2026"),
            ("What is traffic like in Jakarta on November 9, 2025?", "get_traffic", "Jakarta", "November 9, 2025"),
            ("Traffic in Denver on May 25, 2026, please.", "get_traffic", "Denver", "May 25, 2026"),
            ("I drive to Zagreb on August 1, 2026. Much traffic there?", "get_traffic", "Zagreb", "August 1, 2026"),
        ],
    ),
    (
        [
            tool("get_fuel_price", "Get the price of fuel for a location and date.", "location", "date"),
            tool("get_power_price", "Get the price of electricity for a location and date.", "location", "date"),
        ],
        [
            ("What did fuel cost in Warsaw on March 11, 2025?", "get_fuel_price", "Warsaw", "March 11, 2025"),
            ("The price of electricity in Oulu on January 5, 2026?", "get_power_price", "Oulu", "January 5, 2026"),
            ("How expensive was fuel in Naples on November 20, 2025?", "get_fuel_price", "Naples", "November 20, 2025"),
            ("What will power cost in Bremen on June 8, 2026?", "get_power_price", "Bremen", "June 8, 2026"),
        ],
    ),
    (
        [tool("get_moon", "Get moonrise and moonset for a location and date.", "location", "date")],
        [
            ("When will the moon rise in Ankara on November 24, 2025?", "get_moon", "Ankara", "November 24, 2025"),
            ("Moonset in Auckland on April 2, 2027?", "get_moon", "Auckland", "April 2, 2027"),
            (
                "What time does the moon come up in Tromso on December 17, 2025?",
                "get_moon",
                "Tromso",
                "December 17, 2025",
            ),
            ("Moonrise for Bogota, February 11, 2026.", "get_moon", "Bogota", "February 11, 2026"),
        ],
    ),
    (
        [
            tool("get_tours", "Get guided tours for a location and date.", "location", "date"),
            tool("get_parking", "Get free parking lots for a location and date.", "location", "date"),
        ],
        [
            ("What guided tours will there be in Prague on May 15, 2026?", "get_tours", "Prague", "May 15, 2026"),
            ("Where can I park in Lucerne on October 27, 2025?", "get_parking", "Lucerne", "October 27, 2025"),
            ("Tours in Seville on November 2, 2026.", "get_tours", "Seville", "November 2, 2026"),
            ("Free parking in Antwerp on March 19, 2026?", "get_parking", "Antwerp", "March 19, 2026"),
        ],
    ),
    (
        [tool("get_holiday", "Get the public holiday of a country on a date.", "country", "date")],
        [
            ("Is November 11, 2025 a holiday in Poland?", "get_holiday", "Poland", "November 11, 2025"),
            ("What do they celebrate in Japan on May 5, 2026?", "get_holiday", "Japan", "May 5, 2026"),
            ("Which holiday is on September 7, 2026 in Brazil?", "get_holiday", "Brazil", "September 7, 2026"),
            ("In Norway, is May 17, 2026 a day off?", "get_holiday", "Norway", "May 17, 2026"),
        ],
    ),
]


def write(target: Path) -> int:
    """Write the rows in xLAM's shape: `id`, `query`, `answers` and `tools`, the last two as JSON text."""
    lines = []
    for tools, examples in GROUPS:
        names = {offered["name"]: list(offered["parameters"]) for offered in tools}
        for query, name, *values in examples:
            answers = [{"name": name, "arguments": dict(zip(names[name], values, strict=True))}]
            row = {"query": query, "answers": json.dumps(answers), "tools": json.dumps(tools)}
            lines.append(json.dumps({"id": f"days_{len(lines)}"} | row) + "\n")
    target.write_text("".join(lines), encoding="utf-8")
    return len(lines)


if __name__ == "__main__":
    print(f"{write(Path(__file__).with_suffix('.jsonl'))} rows")
