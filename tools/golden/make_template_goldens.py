"""Writes test/text/templates/rendered.json: 50 conversations through each template there, by Python's jinja2.

jinja2 is set up by transformers itself, as `apply_chat_template` does it.
Run: python tools/golden/make_template_goldens.py   (versions in requirements.txt)
"""

import json
import pathlib
import random

from transformers.utils.chat_template_utils import render_jinja_template

FOLDER = pathlib.Path(__file__).parents[2] / "test" / "text" / "templates"
NUM_CONVERSATIONS = 50
TEXTS = [
    "Where does Omar live?",
    "  The code of Amber is 4217. ",
    "naïve café 日本語 🏳️‍🌈",
    'She said "no" and \\left.\n\nThen\tleft.\n',
    "<b>bold</b> & 'quoted' {{ braces }} {% if %}",
    "```py\nprint('x')\n```",
    "a  b   c",
    "4.50 or 1e9?",
]
THOUGHTS = ["<think>\nFirst this.\n</think>\n\n", "<think>\n\n</think>\n\n", ""]
TOOLS = [
    dict(
        type="function",
        function=dict(
            name="get_weather",
            description="The weather of a place, in °C.",
            parameters=dict(
                type="object",
                properties=dict(
                    place=dict(type="string", description='A "city"'),
                    days=dict(type="integer", minimum=1, maximum=14),
                    unit=dict(type="string", enum=["C", "F"]),
                ),
                required=["place"],
            ),
        ),
    ),
    dict(
        type="function",
        function=dict(
            name="add",
            parameters=dict(type="object", properties=dict(b=dict(type="number"), a={}), extra=None),
            strict=True,
            description="a + b",
        ),
    ),
]


def call_turns(pick: random.Random, index: int) -> list[dict]:
    """An assistant's call and its result; sometimes two at once."""
    ids = [f"call{index:02}{i:03}" for i in range(pick.choice([1, 1, 1, 2]))]
    arguments = dict(place=pick.choice(TEXTS), days=pick.randint(1, 9), deep=dict(list=[1, None, True]))
    calls = [
        dict(id=i, type="function", function=dict(name="get_weather", arguments=arguments)) for i in ids
    ]
    results = [
        dict(role="tool", tool_call_id=i, name="get_weather", content='{"degrees": 21.5}') for i in ids
    ]
    text = pick.choice(["", "Let me look."])
    return [dict(role="assistant", content=text, tool_calls=calls), *results]


def conversation(index: int) -> dict:
    pick = random.Random(index)
    has_tools = index % 3 == 0
    messages = []
    questions = pick.sample(TEXTS, 5)  # no two alike: equal messages are told apart by one engine only
    if pick.random() < 0.6:
        messages.append(dict(role="system", content=pick.choice(TEXTS)))
    for turn in range(pick.randint(1, 4)):
        messages.append(dict(role="user", content=questions[turn]))
        if has_tools and pick.random() < 0.6:
            messages += call_turns(pick, turn)
        reply = pick.choice(THOUGHTS) + pick.choice(TEXTS).lstrip()
        messages.append(dict(role="assistant", content=reply))
    ends_with_user = pick.random() < 0.7
    if ends_with_user:
        messages.append(dict(role="user", content=questions[4]))
    variables = dict(date_string="21 Nov 2026")
    if index % 7 == 0:
        variables["enable_thinking"] = False
    if index % 5 == 0:
        variables["tools_in_user_message"] = False
    return dict(
        messages=messages,
        tools=pick.sample(TOOLS, pick.randint(1, 2)) if has_tools else None,
        addGenerationPrompt=ends_with_user,
        variables=variables,
    )


def render(source: str, chat: dict, **changes) -> dict:
    """The text, or the words with which the template refuses the conversation."""
    try:
        [text], _ = render_jinja_template(
            [chat["messages"]],
            tools=chat["tools"],
            chat_template=source,
            **dict(add_generation_prompt=chat["addGenerationPrompt"]) | changes,
            **chat["variables"],
            bos_token="<s>",
            eos_token="</s>",
        )
        return dict(text=text)
    except Exception as error:  # jinja2 has several
        return dict(error=str(error))


def continued(source: str, chat: dict) -> dict:
    """The same conversation, up to and into a last message of the assistant."""
    last = dict(role="assistant", content="The answer is ")
    turns = [m for m in chat["messages"]]
    while turns[-1]["role"] != "user":
        turns.pop()
    open_ended = chat | dict(messages=[*turns, last])
    return render(source, open_ended, add_generation_prompt=False, continue_final_message=True)


def main() -> None:
    chats = [conversation(index) for index in range(NUM_CONVERSATIONS)]
    rendered = {}
    for path in sorted(FOLDER.glob("*.jinja")):
        source = path.read_text()
        rendered[path.stem] = [render(source, chat) for chat in chats]
        count = sum("text" in result for result in rendered[path.stem])
        opened = [continued(source, chat) for chat in chats[:10]]
        rendered[path.stem + " continued"] = opened
        print(f"{path.stem}: {count} of {len(chats)} rendered")
    golden = dict(conversations=chats, rendered=rendered)
    (FOLDER / "rendered.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


main()
