"""Tables as well-known hosts of competitions hand them out: the exact names, columns and forms, of made content.

Each function writes a host's folder. A target follows from the columns, so that there is something to learn.
"""

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

WORDS = (
    "river",
    "stone",
    "cloud",
    "maple",
    "engine",
    "violet",
    "summer",
    "copper",
    "window",
    "garden",
    "lamp",
    "harbour",
)


def table(file: Path, header: str, rows: Iterable[Sequence[Any]], separator: str = ",") -> None:
    """header: the names with commas between them, as they stand in the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        out.write(header.replace(",", separator) + "\n")
        csv.writer(out, delimiter=separator, lineterminator="\n").writerows(rows)


def sentence(rng: np.random.Generator, word: str, length: int = 8) -> str:
    """Words of which about a third are this one."""
    return " ".join(word if rng.random() < 0.35 else WORDS[rng.integers(len(WORDS))] for _ in range(length))


def titanic(folder: Path) -> None:
    """Ids are numbers, the sample is named gender_submission; names hold commas, cabins are mostly missing."""
    rng, rows = np.random.default_rng(1), []
    for number in range(1, 221):
        sex, pclass = ("male", "female")[rng.integers(2)], int(rng.integers(1, 4))
        survived = int((sex == "female") + (pclass == 1) * 0.5 + rng.normal() * 0.3 > 0.6)
        title = "Mr." if sex == "male" else "Mrs."
        age = "" if rng.random() < 0.2 else f"{rng.integers(1, 70)}"
        cabin = f"C{rng.integers(100)}" if rng.random() < 0.2 else ""
        fare, ticket = f"{90 / pclass + rng.random():.4f}".rstrip("0"), f"A/5 {rng.integers(10_000)}"
        name = f"{WORDS[number % 12].title()}, {title} {WORDS[number % 7].title()}"
        rows.append(
            [number, survived, pclass, name, sex, age, number % 3, number % 2, ticket, fare, cabin, "SCQ"[number % 3]]
        )
    columns = "Pclass,Name,Sex,Age,SibSp,Parch,Ticket,Fare,Cabin,Embarked"
    table(folder / "train.csv", f"PassengerId,Survived,{columns}", rows[:150])
    table(folder / "test.csv", f"PassengerId,{columns}", [[row[0], *row[2:]] for row in rows[150:]])
    table(
        folder / "gender_submission.csv",
        "PassengerId,Survived",
        [[row[0], int(row[4] == "female")] for row in rows[150:]],
    )


def house_prices(folder: Path) -> None:
    """NA is a kind of alley and a missing number alike; a text describes the data; prices are asked with fractions."""
    rng, rows = np.random.default_rng(2), []
    for number in range(1, 241):
        area, quality = int(rng.integers(600, 3000)), int(rng.integers(1, 11))
        front = "NA" if rng.random() < 0.2 else int(rng.integers(20, 120))
        kinds = (("RL", "RM", "C (all)")[rng.integers(3)], front, ("NA", "Grvl", "Pave")[rng.integers(3)])
        price = int(area * 60 + quality * 12_000 + rng.normal() * 4000)
        rows.append([number, (20, 60, 120)[number % 3], *kinds, quality, 1900 + number % 110, area, price])
    columns = "MSSubClass,MSZoning,LotFrontage,Alley,OverallQual,YearBuilt,GrLivArea"
    table(folder / "train.csv", f"Id,{columns},SalePrice", rows[:160])
    table(folder / "test.csv", f"Id,{columns}", [row[:-1] for row in rows[160:]])
    table(folder / "sample_submission.csv", "Id,SalePrice", [[row[0], 169277.0524984] for row in rows[160:]])
    (folder / "data_description.txt").write_text(
        "MSSubClass: the type of dwelling\n\n        20\t1-STORY 1946 & NEWER\n"
    )


def give_me_some_credit(folder: Path) -> None:
    """The id has no name, the answer is an empty column of the test, and the sample has other names for both."""
    rng, rows = np.random.default_rng(3), []
    for _ in range(260):
        use, late, age = rng.random(), int(rng.integers(0, 4)), int(rng.integers(21, 90))
        income = "NA" if rng.random() < 0.2 else int(rng.integers(1000, 9000))
        rows.append(
            [int(use + late * 0.4 + rng.normal() * 0.2 > 1.2), f"{use:.9f}", age, late, f"{rng.random():.9f}", income]
        )
    columns = "RevolvingUtilizationOfUnsecuredLines,age,NumberOfTime30-59DaysPastDueNotWorse,DebtRatio,MonthlyIncome"
    numbered = [[k, *row] for k, row in enumerate(rows[:180], 1)]
    table(folder / "cs-training.csv", f",SeriousDlqin2yrs,{columns}", numbered)
    asked = [[k, "", *row[1:]] for k, row in enumerate(rows[180:], 1)]
    table(folder / "cs-test.csv", f",SeriousDlqin2yrs,{columns}", asked)
    table(folder / "sampleEntry.csv", "Id,Probability", [[k, f"{0.08:.6f}"] for k in range(1, 81)])
    (folder / "Data Dictionary.xls").write_bytes(b"\xd0\xcf\x11\xe0")


def porto_seguro(folder: Path) -> None:
    """Missing is -1, ids of both parts are mixed, names end in what a column is."""
    rng, rows = np.random.default_rng(4), []
    for number in range(7, 287):
        values = rng.random(2).round(2).tolist()
        kinds = (int(rng.integers(-1, 3)), int(rng.integers(2)))
        target = int(sum(values) + kinds[1] * 0.8 + rng.normal() * 0.2 > 1.5)
        rows.append([number, target, *values, *kinds])
    columns = "ps_reg_01,ps_reg_02,ps_ind_02_cat,ps_ind_06_bin"
    table(folder / "train.csv", f"id,target,{columns}", rows[::2])
    table(folder / "test.csv", f"id,{columns}", [[row[0], *row[2:]] for row in rows[1::2]])
    table(folder / "sample_submission.csv", "id,target", [[row[0], 0.0364] for row in rows[1::2]])


def icr(folder: Path) -> None:
    """Two probabilities, class_0 and class_1, of the target Class; a second table has more about train alone."""
    rng, rows = np.random.default_rng(5), []
    for number in range(200):
        values = rng.normal(size=3).round(6).tolist()
        label = int(values[0] + values[1] > 0)
        rows.append([f"{number * 7919:012x}", *values, "AB"[number % 2], label])
    table(folder / "train.csv", "Id,AB,AF,AH,EJ,Class", rows[:140])
    table(
        folder / "greeks.csv",
        "Id,Alpha,Beta,Epsilon",
        [[row[0], "ABDG"[k % 4], "ABC"[k % 3], "3/19/2019"] for k, row in enumerate(rows[:140])],
    )
    table(folder / "test.csv", "Id,AB,AF,AH,EJ", [row[:-1] for row in rows[140:]])
    table(folder / "sample_submission.csv", "Id,class_0,class_1", [[row[0], 0.5, 0.5] for row in rows[140:]])


def spaceship_titanic(folder: Path) -> None:
    """Labels are True and False; an id is a group and a number, 0001_01."""
    rng, rows = np.random.default_rng(6), []
    for group in range(1, 101):
        for member in range(1, int(rng.integers(2, 4))):
            sleeps, spent = bool(rng.integers(2)), int(rng.integers(0, 1000))
            transported = sleeps != (rng.random() < 0.1)
            rows.append(
                [f"{group:04d}_{member:02d}", "Europa" if group % 2 else "", sleeps, f"B/{group}/P", spent, transported]
            )
    columns = "PassengerId,HomePlanet,CryoSleep,Cabin,RoomService"
    table(folder / "train.csv", f"{columns},Transported", rows[:110])
    table(folder / "test.csv", columns, [row[:-1] for row in rows[110:]])
    table(folder / "sample_submission.csv", "PassengerId,Transported", [[row[0], False] for row in rows[110:]])


def sf_crime(folder: Path) -> None:
    """Train has no id, two of its columns are not in the test, and names of classes hold spaces and bars."""
    rng, crimes = np.random.default_rng(7), ("ARSON", "DRIVING UNDER THE INFLUENCE", "LARCENY/THEFT", "TREA")
    rows = []
    for k in range(240):
        kind = k % 4
        place = [f"{-122.4 - kind * 0.02 + rng.normal() * 0.003:.13f}", f"{37.7 + kind * 0.02:.13f}"]
        district = ("NORTHERN", "PARK", "MISSION")[int(rng.integers(3))]
        day = ("Monday", "Friday")[k % 2]
        rows.append(
            [
                f"2015-05-{1 + k % 28:02d} 23:{k % 60:02d}:00",
                crimes[kind],
                day,
                district,
                f"{k} Block of OAK ST",
                *place,
            ]
        )
    table(
        folder / "train.csv",
        "Dates,Category,Descript,DayOfWeek,PdDistrict,Resolution,Address,X,Y",
        [[*row[:2], f"about {row[1]}", *row[2:4], "NONE", *row[4:]] for row in rows[:160]],
    )
    columns = "Id,Dates,DayOfWeek,PdDistrict,Address,X,Y"
    table(folder / "test.csv", columns, [[k, row[0], *row[2:]] for k, row in enumerate(rows[160:])])
    asked = [[k, 0, 0, 1, 0] for k in range(80)]
    table(folder / "sampleSubmission.csv", f"Id,{','.join(crimes)}", asked)


def bike_sharing(folder: Path) -> None:
    """The id is a time. Train holds the first days of every month, the test the others; two columns tell the answer."""
    rng, rows = np.random.default_rng(8), []
    for month in range(1, 13):
        for day in range(1, 29):
            hour = int(rng.integers(24))
            temp = 10 + 15 * np.sin(month / 12 * np.pi) + rng.normal()
            count = int(max(0, temp * 4 + 40 * (7 < hour < 20) + rng.normal() * 5))
            moment = f"2011-{month:02d}-{day:02d} {hour:02d}:00:00"
            rows.append(
                [moment, (month - 1) // 3 + 1, int(day % 7 < 5), f"{temp:.2f}", count // 3, count - count // 3, count]
            )
    known = [row for row in rows if int(row[0][8:10]) < 20]
    asked = [row for row in rows if int(row[0][8:10]) >= 20]
    table(folder / "train.csv", "datetime,season,workingday,temp,casual,registered,count", known)
    table(folder / "test.csv", "datetime,season,workingday,temp", [row[:4] for row in asked])
    table(folder / "sampleSubmission.csv", "datetime,count", [[row[0], 0] for row in asked])


def store_sales(folder: Path) -> None:
    """Later days are asked for; other tables hold the oil price, the stores and the holidays."""
    rng, rows = np.random.default_rng(9), []
    for day in range(90):
        for store in range(1, 4):
            promoted = int(rng.integers(0, 5))
            sales = max(0.0, store * 20 + 10 * promoted + 15 * (day % 7 > 4) + rng.normal())
            moment = date(2017, 5, 1) + timedelta(day)
            rows.append(
                [
                    3000888 + len(rows),
                    moment,
                    store,
                    ("GROCERY I", "BREAD/BAKERY")[store % 2],
                    round(sales, 3),
                    promoted,
                ]
            )
    columns = "id,date,store_nbr,family"
    table(folder / "train.csv", f"{columns},sales,onpromotion", rows[:225])
    table(folder / "test.csv", f"{columns},onpromotion", [[*row[:4], row[5]] for row in rows[225:]])
    table(folder / "sample_submission.csv", "id,sales", [[row[0], "0.0"] for row in rows[225:]])
    table(
        folder / "oil.csv",
        "date,dcoilwtico",
        [[date(2017, 5, 1) + timedelta(day), 47.1 + day % 3] for day in range(90)],
    )
    table(folder / "stores.csv", "store_nbr,city,type,cluster", [[k, "Quito", "D", 13] for k in range(1, 4)])
    table(folder / "holidays_events.csv", "date,type,locale", [["2017-05-24", "Holiday", "National"]])
    table(folder / "transactions.csv", "date,store_nbr,transactions", [[row[1], row[2], 700] for row in rows[:225]])


def walmart(folder: Path) -> None:
    """The id of a row is made of three columns: 1_1_2012-11-02. Train has none."""
    rng, rows = np.random.default_rng(10), []
    for week in range(40):
        for store in (1, 2):
            for dept in (1, 2, 3):
                holiday = week % 10 == 0
                sales = store * 8000 + dept * 3000 + 5000 * holiday + rng.normal() * 300
                rows.append(
                    [store, dept, date(2012, 1, 6) + timedelta(7 * week), round(sales, 2), str(holiday).upper()]
                )
    known, asked = rows[:180], rows[180:]
    table(folder / "train.csv", "Store,Dept,Date,Weekly_Sales,IsHoliday", known)
    table(folder / "test.csv", "Store,Dept,Date,IsHoliday", [[*row[:3], row[4]] for row in asked])
    table(folder / "sampleSubmission.csv", "Id,Weekly_Sales", [[f"{row[0]}_{row[1]}_{row[2]}", 0] for row in asked])
    table(folder / "stores.csv", "Store,Type,Size", [[1, "A", 151315], [2, "B", 202307]])
    table(folder / "features.csv", "Store,Date,Temperature", [[row[0], row[2], 42.3] for row in rows[::3]])


def feedback_prize(folder: Path) -> None:
    """Six numbers a row, learned from a text; grades in halves."""
    rng, rows = np.random.default_rng(11), []
    for number in range(180):
        level = int(rng.integers(2, 11))
        text = f'{sentence(rng, WORDS[level], 14)}\n\n{sentence(rng, WORDS[level], 10)}, "so" I think.'
        rows.append(
            [f"{number * 7919 + 2**40:012X}", text, *(max(1.0, min(5.0, (level + k % 2) / 2)) for k in range(6))]
        )
    grades = "cohesion,syntax,vocabulary,phraseology,grammar,conventions"
    table(folder / "train.csv", f"text_id,full_text,{grades}", rows[:140])
    table(folder / "test.csv", "text_id,full_text", [row[:2] for row in rows[140:]])
    table(folder / "sample_submission.csv", f"text_id,{grades}", [[row[0], *["3.0"] * 6] for row in rows[140:]])


def toxic_comments(folder: Path) -> None:
    """Six columns of 0 and 1, most rows without any; the host published the test's labels later, -1 where unused."""
    rng, rows = np.random.default_rng(12), []
    for number in range(260):
        flags = [int(rng.random() < 0.25) for _ in range(6)]
        bad = [WORDS[k] for k, flag in enumerate(flags) if flag]
        text = " ".join([*bad, *bad, *(WORDS[6 + rng.integers(6)] for _ in range(5))])
        rows.append([f"{number * 104729 + 2**60:016x}", text, *flags])
    kinds = "toxic,severe_toxic,obscene,threat,insult,identity_hate"
    table(folder / "train.csv", f"id,comment_text,{kinds}", rows[:180])
    table(folder / "test.csv", "id,comment_text", [row[:2] for row in rows[180:]])
    table(
        folder / "test_labels.csv",
        f"id,{kinds}",
        [[row[0], *(row[2:] if k % 2 else [-1] * 6)] for k, row in enumerate(rows[180:])],
    )
    table(folder / "sample_submission.csv", f"id,{kinds}", [[row[0], *[0.5] * 6] for row in rows[180:]])


def movie_reviews(folder: Path) -> None:
    """Tab-separated, phrases of one sentence belong together, grades 0 to 4."""
    rng, rows = np.random.default_rng(13), []
    for sentence_id in range(1, 101):
        grade = int(rng.integers(5))
        for _ in range(2):
            rows.append([156061 + len(rows), sentence_id, sentence(rng, WORDS[grade], 9), grade])
    table(folder / "train.tsv", "PhraseId,SentenceId,Phrase,Sentiment", rows[:140], "\t")
    table(folder / "test.tsv", "PhraseId,SentenceId,Phrase", [row[:3] for row in rows[140:]], "\t")
    table(folder / "sampleSubmission.csv", "PhraseId,Sentiment", [[row[0], 2] for row in rows[140:]])


def mercari(folder: Path) -> None:
    """The id is train_id here and test_id there, numbers from 0 in both."""
    rng, rows = np.random.default_rng(14), []
    for number in range(220):
        brand, condition = int(rng.integers(4)), int(rng.integers(1, 6))
        price = round(10 + brand * 20 + condition * 2 + rng.random(), 1)
        name = ("", "Nike", "PINK", "Apple")[brand]
        rows.append(
            [
                f"{WORDS[number % 12]} item",
                condition,
                "Women/Tops/Blouse",
                name,
                price,
                number % 2,
                "No description yet",
            ]
        )
    columns = "name,item_condition_id,category_name,brand_name"
    table(
        folder / "train.tsv",
        f"train_id,{columns},price,shipping,item_description",
        [[k, *row] for k, row in enumerate(rows[:150])],
        "\t",
    )
    asked = [[k, *row[:4], *row[5:]] for k, row in enumerate(rows[150:])]
    table(folder / "test.tsv", f"test_id,{columns},shipping,item_description", asked, "\t")
    table(folder / "sample_submission.csv", "test_id,price", [[k, 26.738] for k in range(70)])


def whats_cooking(folder: Path) -> None:
    """Rows of JSON, a list of words in each."""
    rng, rows, cuisines = np.random.default_rng(15), [], ("greek", "indian", "southern_us")
    for number in range(160):
        kind = int(rng.integers(3))
        words = [WORDS[kind], *(WORDS[rng.integers(12)] for _ in range(4))]
        rows.append({"id": 10259 + number * 7, "cuisine": cuisines[kind], "ingredients": words})
    (folder / "train.json").write_text(json.dumps(rows[:110], indent=2))
    asked = [{name: row[name] for name in ("id", "ingredients")} for row in rows[110:]]
    (folder / "test.json").write_text(json.dumps(asked, indent=2))
    table(folder / "sample_submission.csv", "id,cuisine", [[row["id"], "italian"] for row in rows[110:]])


def iceberg(folder: Path) -> None:
    """Rows of JSON, two lists of 75 x 75 numbers in each; an angle is missing now and then, as "na"."""
    rng, rows = np.random.default_rng(16), []
    for number in range(60):
        is_iceberg = int(rng.integers(2))
        bands = rng.normal(-22, 2, (2, 75, 75))
        bands[:, 30:44, 30:44] += 12 if is_iceberg else 4
        row = {"id": f"{number * 104729 + 2**30:08x}"}
        row |= {f"band_{k + 1}": band.ravel().round(6).tolist() for k, band in enumerate(bands)}
        rows.append({**row, "inc_angle": "na" if number % 9 == 0 else 40.0 + number / 10, "is_iceberg": is_iceberg})
    (folder / "train.json").write_text(json.dumps(rows[:40]))
    asked = [{name: value for name, value in row.items() if name != "is_iceberg"} for row in rows[40:]]
    (folder / "test.json").write_text(json.dumps(asked))
    table(folder / "sample_submission.csv", "id,is_iceberg", [[row["id"], 0.5] for row in rows[40:]])


def facial_keypoints(folder: Path) -> None:
    """Pixels as a text in one column, places of eyes and mouth, and a table that says which of them are asked for."""
    rng, rows = np.random.default_rng(17), []
    for _ in range(40):
        x, y = rng.uniform(20, 70, 2)
        image = np.full((96, 96), 60)
        image[int(y) - 3 : int(y) + 3, int(x) - 3 : int(x) + 3] = 220
        rows.append(
            [f"{x:.4f}", f"{y:.4f}", f"{x:.4f}" if rng.random() < 0.5 else "", " ".join(map(str, image.ravel()))]
        )
    features = ("left_eye_center_x", "left_eye_center_y", "mouth_left_corner_x")
    table(folder / "training.csv", ",".join((*features, "Image")), rows[:30])
    table(folder / "test.csv", "ImageId,Image", [[k, row[3]] for k, row in enumerate(rows[30:], 1)])
    asked = [[image, name] for image in range(1, 11) for name in features[: 2 + image % 2]]
    table(
        folder / "IdLookupTable.csv",
        "RowId,ImageId,FeatureName,Location",
        [[k, *row, ""] for k, row in enumerate(asked, 1)],
    )
    table(folder / "SampleSubmission.csv", "RowId,Location", [[k, 0] for k in range(1, len(asked) + 1)])


def mechanisms_of_action(folder: Path) -> None:
    """The columns are in one table, the answers in another, by the same ids."""
    rng, rows = np.random.default_rng(18), []
    for number in range(160):
        values = rng.normal(size=4).round(4)
        rows.append(
            [
                f"id_{number * 7919:09x}",
                "trt_cp" if number % 9 else "ctl_vehicle",
                *values.tolist(),
                *(values[:2] > 0.4).astype(int).tolist(),
            ]
        )
    columns, targets = "sig_id,cp_type,g-0,g-1,c-0,c-1", "sig_id,5-alpha_reductase_inhibitor,acat_inhibitor"
    table(folder / "train_features.csv", columns, [row[:6] for row in rows[:110]])
    table(folder / "train_targets_scored.csv", targets, [[row[0], *row[6:]] for row in rows[:110]])
    table(
        folder / "train_targets_nonscored.csv",
        "sig_id,abc_transporter_expression_enhancer",
        [[row[0], 0] for row in rows[:110]],
    )
    table(folder / "train_drug.csv", "sig_id,drug_id", [[row[0], f"d{k // 3:05x}"] for k, row in enumerate(rows[:110])])
    table(folder / "test_features.csv", columns, [row[:6] for row in rows[110:]])
    table(folder / "sample_submission.csv", targets, [[row[0], 0.5, 0.5] for row in rows[110:]])
