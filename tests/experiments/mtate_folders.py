"""Small made-up folders in the layouts of the Challenge 2012, eICU with YAIB's cohort, and MIMIC-III."""

import numpy as np
import pandas as pd

from data_pipelines.icu.challenge2012 import VARIABLES
from experiments.configs import mtate

MEASURED = ("HR", "Temp", "Urine", "WBC")  # Of the Challenge's 37.
FIRST_ID = {"a": 132_500, "b": 142_500}


def challenge(folder, name="a", stays=60):
    """A set of the Challenge: a third of the patients die, three of them before the window's end by their survival."""
    rng = np.random.default_rng(ord(name))
    (folder / f"set-{name}").mkdir(parents=True, exist_ok=True)
    outcomes = ["RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death"]
    for number in range(stays):
        record = FIRST_ID[name] + 2 * number
        dead = int(number % 3 == 0)
        first = [
            ("RecordID", record), ("Age", 40 + number % 50), ("Gender", number % 2), ("Height", 160 + number % 20),
            ("ICUType", 1 + number % 4), ("Weight", 60 + number % 30),
        ]  # fmt: skip
        lines = ["Time,Parameter,Value", *(f"00:00,{parameter},{value}" for parameter, value in first)]
        for minutes in np.sort(rng.integers(0, 48 * 60, 40)):
            parameter = MEASURED[rng.integers(len(MEASURED))]
            value = rng.normal({"HR": 80, "Temp": 37, "Urine": 60, "WBC": 9}[parameter] + 3 * dead, 2)
            lines.append(f"{minutes // 60:02d}:{minutes % 60:02d},{parameter},{value:.2f}")
        (folder / f"set-{name}" / f"{record}.txt").write_text("\n".join(lines) + "\n")
        survival = 1 + number % 7 if dead else -1
        outcomes.append(f"{record},{5 + number % 9},{number % 11},{4 + number % 20},{survival},{dead}")
    (folder / f"Outcomes-{name}.txt").write_text("\n".join(outcomes) + "\n")
    return folder


def eicu(folder, stays=72, hospitals=24):
    """Tables of eICU and YAIB's cohort of them: every third patient has two stays, in one hospital.

    Of the stays whose number leaves 5 by 12 the unit is left after 20 hours, and those with 6 die at hour 23.
    """
    rng = np.random.default_rng(0)
    number = np.arange(stays)
    ids = 1000 + 3 * number
    hospital = 500 + number // 3 % hospitals
    dead = (number % 7 == 0) | (number % 12 == 6)
    unit = np.where(number % 12 == 5, 20 * 60, 80 * 60)
    leaves = np.where(number % 12 == 6, 23 * 60, 90 * 60)
    patient = pd.DataFrame(
        {
            "patientunitstayid": ids,
            "uniquepid": [f"002-{number // 3}" if number % 3 < 2 else f"003-{number}" for number in range(stays)],
            "hospitalid": hospital,
            "gender": np.where(number % 2, "Male", "Female"),
            "age": np.where(number % 11 == 0, "> 89", (40 + number % 48).astype(str)),
            "ethnicity": np.array(["Caucasian", "African American", "Asian", "Other/Unknown", ""])[number // 2 % 5],
            "hospitaldischargestatus": np.where(dead, "Expired", "Alive"),
            "hospitaldischargeoffset": leaves,
            "unitdischargeoffset": unit,
        }
    )
    codes = ["250.00, E11.9", "401.9, I10", "428.0, I50.9", "585.9, N18.9", "038.9, A41.9", "250.40, E11.21"]
    # As whether two conditions are there are questions of their own.
    rows = [(stay, code) for place, stay in enumerate(ids) for bit, code in enumerate(codes) if rng.random() < 0.3]
    diagnosis = pd.DataFrame(rows, columns=["patientunitstayid", "icd9code"])
    path = "notes/Progress Notes/Past History/Organ Systems/Cardiovascular (R)/Hypertension Requiring Treatment/treated"
    history = pd.DataFrame({"patientunitstayid": ids[::7], "pasthistorypath": path})
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in (("patient", patient), ("diagnosis", diagnosis), ("pastHistory", history)):
        table.to_csv(folder / f"{name}.csv", index=False)
    cohort = folder / "yaib-demo" / "eicu_demo"
    cohort.mkdir(parents=True, exist_ok=True)
    hours = np.tile(np.arange(24), stays)
    owner = np.repeat(number, 24)
    dyn = pd.DataFrame({"stay_id": ids[owner], "time": pd.to_timedelta(hours, unit="h")})
    for variable, mean in (("hr", 80.0), ("temp", 37.0), ("crea", 1.2)):
        values = rng.normal(mean + 0.1 * dead[owner], 0.1 * mean)
        dyn[variable] = np.where(rng.random(len(dyn)) < 0.6, values, np.nan)
    dyn["crp"] = np.nan  # Nobody measured it.
    dyn.to_parquet(cohort / "dyn.parquet")
    static = {"stay_id": ids, "age": 50.0, "sex": "Male", "height": 150.0 + number % 40, "weight": 60.0 + number % 31}
    pd.DataFrame(static).to_parquet(cohort / "sta.parquet")
    pd.DataFrame({"stay_id": ids, "label": dead.astype(float)}).to_parquet(cohort / "outc.parquet")
    return folder


def mimic(folder, patients=40):
    """Tables of MIMIC-III: all have dialysed kidney injury; every fourth patient has two stays; a third dies."""
    rng = np.random.default_rng(0)
    rows = {
        "icustays": ["subject_id,hadm_id,icustay_id,intime,outtime"],
        "admissions": ["subject_id,hadm_id,deathtime,hospital_expire_flag,ethnicity"],
        "patients": ["subject_id,gender,dob,dod"],
        "chartevents": ["icustay_id,itemid,charttime,valuenum,error"],
        "labevents": ["subject_id,hadm_id,itemid,charttime,valuenum,valueuom"],
        "diagnoses_icd": ["subject_id,hadm_id,icd9_code"],
        "procedures_icd": ["subject_id,hadm_id,icd9_code"],
    }
    for patient in range(patients):
        born = 2060 - patient % 45
        last = None
        stays = 2 if patient % 4 == 0 else 1
        for number in range(stays):
            admission, stay = 100 + 10 * patient + number, 5000 - 10 * patient - number
            begin = pd.Timestamp("2120-01-01") + pd.Timedelta(days=30 * number, hours=patient)
            length = 52 + patient % 5
            dies = patient % 3 == 0 and number == stays - 1
            death = begin + pd.Timedelta(hours=length + 6 + patient) if dies else None
            rows["icustays"].append(f"{patient},{admission},{stay},{begin},{begin + pd.Timedelta(hours=length)}")
            race = ("WHITE", "BLACK/AFRICAN AMERICAN", "ASIAN", "UNKNOWN/NOT SPECIFIED")[patient % 4]
            rows["admissions"].append(f"{patient},{admission},{death or ''},{int(dies)},{race}")
            codes = ["5845", *(code for code in ("4280", "25000", "4019", "5859", "0389") if rng.random() < 0.4)]
            rows["diagnoses_icd"] += [f"{patient},{admission},{code}" for code in codes]
            rows["procedures_icd"].append(f"{patient},{admission},3995")
            rows["chartevents"] += [f"{stay},226707,{begin},66,0", f"{stay},763,{begin},80,0"]
            for hour in np.sort(rng.choice(length, 30, replace=False)):
                when = begin + pd.Timedelta(hours=int(hour), minutes=30)
                rows["chartevents"].append(f"{stay},211,{when},{rng.normal(85 + 9 * dies, 5):.0f},0")
                rows["labevents"].append(f"{patient},{admission},50912,{when},{rng.uniform(1, 3):.1f},mg/dL")
            last = death
        rows["patients"].append(f"{patient},{'FM'[patient % 2]},{born}-01-01,{last.normalize() if last else ''}")
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in rows.items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder


def config(variant, folder, **changed):
    """A variant's configuration for such a folder."""
    own = mtate.get_config(variant)
    own.data_dir, own.folds = str(folder), 3
    for name, value in changed.items():
        own[name] = value
    return own


def measured_variables():
    """The places of `MEASURED`."""
    return [VARIABLES.index(name) for name in MEASURED]
