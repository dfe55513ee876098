//! Names, spellings, places and phrases from which the sample is made.
//!
//! Lists are plain text, words parted by white space or entries parted by lines, so that they read
//! as data. Names are frequent ones of their language; a pairing of them that is somebody's is
//! chance. Places are invented. No name list is complete, and none need be.

/// Where a person's name comes from, and how it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    /// How many people in a hundred.
    pub(super) share: usize,
    pub(super) women: &'static str,
    pub(super) men: &'static str,
    pub(super) families: &'static str,
    /// Second given name: for women, for men, and how many in a hundred have one.
    pub(super) second: (&'static str, &'static str, usize),
    /// ISO 3166-1 alpha-3, as often as it is to be drawn. Family names repeat likewise.
    pub(super) nationalities: &'static str,
    /// The family name comes first at home, so a form may hold the two the wrong way round.
    pub(super) family_first: bool,
}

pub(super) const ORIGINS: [Origin; 9] = [
    ENGLISH, VIETNAMESE, ALBANIAN, ROMANIAN, ARABIC, NIGERIAN, POLISH, CHINESE, ERITREAN,
];

const ENGLISH: Origin = Origin {
    share: 33,
    women: "Elizabeth Katherine Margaret Charlotte Olivia Amelia Jessica Emily Sophie Chloe Megan \
        Rebecca Victoria Jennifer Samantha Natalie Abigail Isabella Hannah Lauren Stephanie Tracey \
        Michelle Kelly Sarah Danielle Bethany Gemma Kayleigh Paige Courtney Alexandra Susan Zoë",
    men: "William Robert James Thomas Michael Daniel Matthew Christopher Joseph Benjamin Samuel \
        Joshua Anthony Edward Jack Harry Callum Liam Ryan Connor Kieran Tyler Jordan Nathan Lewis \
        Bradley Stephen Andrew David Richard Alexander Charles Nicholas Reece",
    families: "Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson \
        Evans Walker White Roberts Green Hall Wood Jackson Clarke Harrison Hughes O'Brien O'Connor \
        Turner Hill Moore Ward Cooper Morris Baker Mitchell Kelly Murphy Bell Marshall Shaw \
        Smith-Jones Hartley Barraclough Sutcliffe Ramsden Thackray Metcalfe",
    second: (
        "Louise Rose Grace Marie Jane Ann May",
        "James John Lee Thomas David Paul",
        40,
    ),
    nationalities: "GBR GBR GBR GBR GBR GBR GBR GBR GBR IRL",
    family_first: false,
};

const VIETNAMESE: Origin = Origin {
    share: 17,
    women: "Lan Hương Hoa Mai Linh Thảo Trang Ngọc Hà Hằng Yến Thủy Phượng Dung Đào Quỳnh Nhung \
        Hạnh Loan Vân Giang Tuyết Xuân Diệp",
    men: "Hùng Dũng Tuấn Minh Đức Nam Long Hải Thắng Quang Sơn Thành Cường Phong Việt Tùng Khánh \
        Đạt Hiếu Trung Bình Quân Lợi Tâm",
    families: "Nguyễn Nguyễn Nguyễn Nguyễn Nguyễn Nguyễn Trần Trần Trần Lê Lê Phạm Phạm Hoàng Huỳnh \
        Phan Vũ Võ Đặng Bùi Đỗ Hồ Ngô Dương Lý",
    second: (
        "Thị Thị Thị Thị Thu Kim Ngọc",
        "Văn Văn Văn Văn Đức Xuân Hữu",
        92,
    ),
    nationalities: "VNM",
    family_first: true,
};

const ALBANIAN: Origin = Origin {
    share: 12,
    women: "Elira Arta Blerina Drita Ermira Fatmire Gëzime Hënë Ilirjana Jonida Klodiana Lindita \
        Mirela Ornela Pranvera Rudina Suela Teuta Valbona Xhensila Zamira Çiljeta",
    men: "Agron Arben Besnik Bledar Driton Edmond Fatmir Gëzim Ilir Kujtim Luan Mentor Naim Petrit \
        Qëndrim Rrahman Shkëlqim Taulant Valon Xhevdet Ylli Çlirim",
    families: "Hoxha Hoxha Shehu Çela Gjoka Dervishi Kërçuku Prifti Leka Marku Gjini Dushku Hysa \
        Xhafa Mëhilli Çollaku Bajrami Krasniqi Berisha Zogu Gashi Hasani",
    second: ("", "", 0),
    nationalities: "ALB ALB ALB ALB ALB XKX",
    family_first: false,
};

const ROMANIAN: Origin = Origin {
    share: 12,
    women: "Elena Ioana Maria Andreea Mihaela Cristina Alexandra Gabriela Nicoleta Ștefania Roxana \
        Raluca Lăcrămioara Anișoara Viorica Florentina Măriuca Ruxandra Ilinca Narcisa",
    men: "Ion Ștefan Andrei Alexandru Mihai Cristian Gheorghe Constantin Nicolae Ionuț Răzvan \
        Bogdan Florin Marius Sorin Dănuț Vasile Costel Lucian Cătălin",
    families: "Popescu Popa Ionescu Dumitrescu Stan Stoica Gheorghe Rusu Munteanu Matei Constantin \
        Rotaru Țurcanu Moșneagu Bălan Șerban Niță Lăcătuș Ciobanu Dinu Pîrvu Vîlcu Căldărar Iliuță",
    second: ("Maria Elena Ana", "Ion Mihai Gabriel", 25),
    nationalities: "ROU ROU ROU ROU MDA",
    family_first: false,
};

const ARABIC: Origin = Origin {
    share: 9,
    women: "Fatima Aisha Maryam Zainab Khadija Amina Layla Nour Huda Samira Rania Yasmin Hanan \
        Salma Noura",
    men: "Mohammed Mohammed Mohammed Mohammed Ahmed Ahmed Ali Hassan Hussein Omar Youssef Ibrahim \
        Mustafa Khalid Abdullah Abdelrahman Tariq Yasser Karim Osman",
    families: "Al-Hassan Al-Masri El-Sayed Al-Khatib El-Amin Ibrahim Ahmed Ali Ali Hussein \
        Abdallah Osman Al-Jabouri Bin-Saleh Hamdan El-Tayeb Adam Idris Al-Rashid Mahmoud",
    second: ("", "Ali Ahmed Hassan Adam Mohammed", 35),
    nationalities: "SDN SDN SDN SYR IRQ EGY LBY",
    family_first: false,
};

const NIGERIAN: Origin = Origin {
    share: 6,
    women: "Blessing Oluwaseun Ngozi Chidinma Temitope Adaeze Folasade Osas Precious Titilayọ \
        Ifeoma Esosa Favour Abimbola Omoṣalewa",
    men: "Oluwaseun Chukwuemeka Adebayo Emeka Olumide Babatunde Chinedu Ikechukwu Osaro Femi \
        Ayodele Nnamdi Olanrewaju Godwin",
    families: "Adeyemi Okafor Okonkwo Eze Osagie Igbinedion Balogun Adebayo Nwosu Ogbeide Obaseki \
        Afọlabi Ojo Uzor Ehigie",
    second: ("Grace Joy Peace", "Samuel Emmanuel Peter", 25),
    nationalities: "NGA",
    family_first: false,
};

const POLISH: Origin = Origin {
    share: 5,
    women: "Agnieszka Małgorzata Katarzyna Anna Joanna Zofia Żaneta Monika Beata Grażyna Wioletta",
    men: "Krzysztof Andrzej Tomasz Paweł Michał Łukasz Marcin Piotr Wojciech Sławomir Jarosław",
    families: "Nowak Nowak Wójcik Kowalczyk Woźniak Mazur Krawczyk Kamińska Zając Król Dąbek \
        Wróbel Pawlak Sikora Głowacz Żak",
    second: ("Maria Ewa", "Jan Adam", 20),
    nationalities: "POL",
    family_first: false,
};

const CHINESE: Origin = Origin {
    share: 4,
    women: "Xiuying Meiling Lihua Yanfang Xiaomei Guilan Fang Jing Qiuyue Zhenzhen Lǜ",
    men: "Jianguo Zhiqiang Xiaoming Guoqing Haoran Wei Qiang Jianjun Dongliang Feng",
    families: "Wang Li Zhang Liu Chen Chen Lin Lin Zheng Huang Xu Zhou Cai Zhao Ouyang",
    second: ("", "", 0),
    nationalities: "CHN",
    family_first: true,
};

const ERITREAN: Origin = Origin {
    share: 2,
    women: "Selam Helen Feven Almaz Tsige Mebrahtu Senait Rahel Abrehet",
    men: "Tesfay Yonas Filmon Mehari Kidane Berhane Dawit Haile Samuel",
    families: "Tesfay Haile Gebremeskel Mehari Tekle Weldu Ghebre Abraha Kidane",
    second: ("", "", 0),
    nationalities: "ERI ERI ERI ETH",
    family_first: false,
};

/// English nicknames: every word of a line may stand for its first.
pub(super) const NICKNAMES: &str = "
    Elizabeth Liz Beth Lizzie Eliza Libby
    Katherine Kate Kathy Katie Kat
    Margaret Maggie Peggy Meg
    Charlotte Lottie Charlie
    Jessica Jess Jessie
    Rebecca Becky Becca
    Victoria Vicky Tori
    Jennifer Jenny Jen
    Samantha Sam Sammy
    Natalie Nat Tilly
    Abigail Abi Abbie
    Isabella Bella Izzy
    Stephanie Steph Stevie
    Alexandra Alex Sandra Lexi
    Susan Sue Suzie
    William Will Bill Billy
    Robert Rob Bob Bobby
    Thomas Tom Tommy
    Michael Mike Mick Mickey
    Daniel Dan Danny
    Matthew Matt Matty
    Christopher Chris Kit
    Joseph Joe Joey
    Benjamin Ben Benji
    Samuel Sam Sammy
    Joshua Josh
    Anthony Tony Ant
    Edward Ed Eddie Ted
    Stephen Steve Ste
    Andrew Andy Drew
    Richard Rick Dick Richie
    Alexander Alex Sandy
    Nicholas Nick Nicky
    Oluwaseun Seun
    Chukwuemeka Emeka
    Gheorghe Gigi
    Alexandru Alex Sandu
    Mihaela Miha
    Krzysztof Krzysiek
    Małgorzata Gosia
    Katarzyna Kasia
    Fatmir Miri
";

/// Spellings of one name: any word of a line may be written for any other.
pub(super) const SPELLINGS: &str = "
    Mohammed Muhammad Mohamed Mohammad Mohamad Muhammed Mohamud
    Ahmed Ahmad Ahmet
    Hussein Husain Hussain Husayn
    Hassan Hasan Hassen
    Youssef Yusuf Yousef Yousif
    Ibrahim Ebrahim Ibraheem
    Abdullah Abdallah Abdulla
    Abdelrahman Abdulrahman Abdurahman
    Fatima Fatma Fatimah Fatema
    Aisha Ayesha Aysha
    Maryam Mariam Miriam
    Zainab Zeinab Zaynab
    Khadija Khadijah Hadija
    Layla Leila Laila
    Yasmin Yasmeen Jasmin
    Khalid Khaled
    Mustafa Mostafa
    Omar Umar Omer
    Osman Othman Usman
    Al-Masri El-Masry Al-Misri
    Al-Khatib El-Khateeb Al-Khateeb
    El-Sayed Al-Sayed El-Sayyid
    Tesfay Tesfai Tesfaye
    Yonas Jonas Yonnas
    Mehari Mehary Meharie
    Dawit Daweet David
    Gebremeskel Ghebremeskel Gebremeskal
    Haile Hayle Hailey
    Xhensila Gensila Xhensilla
    Hoxha Hodza Hodja
    Gjoka Djoka Joka
    Xhafa Dzafa Jafa
    Zhang Chang Cheung
    Chen Chan Chin
    Wang Wong Huang
    Xu Hsu Tsui
    Zhou Chou Chow
    Cai Tsai Choi
    Zheng Cheng Cheang
    Adeyemi Adeyemo Adeyeme
    Okonkwo Okonkwor Okonquo
    Sarah Sara
    Stephen Steven
    Tracey Tracy
    Lewis Louis
    Reece Rhys
    Clarke Clark
    Thompson Thomson
    O'Brien Obrien OBrien
    O'Connor OConnor Oconnor
    Thackray Thackeray
    Metcalfe Metcalf
    Pîrvu Pârvu
    Vîlcu Vâlcu
    Gheorghe George Georghe
";

/// Names by which people of the street know each other; they say nothing about the register's name.
pub(super) const STREET_NAMES: &str = "
    Lucky
    Big Sam
    Uncle Ben
    Tony
    Mr Lee
    Mama T
    Lulu
    Kiki
    Smiler
    The Driver
    Rico
    Lady B
    Sunny
    Dre
    Aunty Rose
    Bambi
    Prince
    Nina
    Shorty
    Angel
";

/// An invented county: towns, each with the area of its postcodes.
pub(super) const TOWNS: [(&str, &str); 14] = [
    ("Kelham Bridge", "NS"),
    ("Northshire", "NS"),
    ("Aldersea", "NS"),
    ("Thorpe Marrow", "NS"),
    ("Cawder", "NS"),
    ("Eastmoor", "EM"),
    ("Saltby-on-Wreake", "EM"),
    ("Grindle Moor", "EM"),
    ("St Osyn's", "EM"),
    ("Hallowby", "EM"),
    ("Port Harrow", "HB"),
    ("Quayside", "HB"),
    ("Little Wexcombe", "HB"),
    ("Sandhaven", "HB"),
];

pub(super) const STREETS: &str = "
    Tanner Street
    Mill Lane
    Station Road
    High Street
    Chapel Road
    Victoria Avenue
    Albert Road
    Church Street
    Ropewalk Lane
    Harbour Road
    Orchard Close
    Garden Street
    Canal Street
    Moorside Avenue
    Park Road
    Sycamore Drive
    Beacon Hill Road
    Wharf Street
    Queen's Road
    Brickfield Close
    Coldharbour Lane
    Foundry Street
    Laburnum Drive
    Nelson Street
";

pub(super) const STREET_SHORT: [(&str, &str); 6] = [
    ("Street", "St"),
    ("Road", "Rd"),
    ("Lane", "Ln"),
    ("Avenue", "Ave"),
    ("Close", "Cl"),
    ("Drive", "Dr"),
];

/// What a caseworker jots down about someone harmed.
pub(super) const NOTES_HARMED: &str = "
    Found at a car wash after a workplace visit.
    Found at a nail bar, documents held by the manager.
    Says \"uncle\" keeps the phone and the wages.
    Moved between three addresses in a month, does not know the last one.
    Debt for the journey; sum not disclosed.
    Cannabis cultivation, locked in at night.
    Domestic work, no day off, no pay.
    Recruited through an online advertisement for cleaning work.
    Interpreter needed, prefers a woman.
    Phone number given by the person who met them at the port.
    Referred by outreach team; frightened of the driver.
    First responder considers a referral to the National Referral Mechanism.
";

pub(super) const NOTES_CHILD: &str = "
    Missing overnight for the third time this month.
    Missing from placement since arrival.
    Found with two phones, train tickets and cash.
    Seen getting into a car outside school.
    Return interview done, gave little away.
    Strategy meeting held; police and health present.
    Age disputed, assessment awaited.
    Claims to be visiting a cousin, address not known.
    School reports new clothes; absences on Fridays.
    Private fostering suspected.
";

pub(super) const NOTES_SUSPECT: &str = "
    Named by two people as the one who collects the rent.
    Keeper of a vehicle seen at several addresses.
    Tenancy in this name at a house in multiple occupation.
    Arranges transport from the port, paid in cash.
    Holds bank cards of other people.
    Runs the advertisements, phone shared with others.
";
